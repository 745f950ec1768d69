// Renders Markdown to HTML. Event: { "markdown": "# Title" }
import { marked } from 'marked';

export const handler = (event) => ({ html: marked.parse(event.markdown) });
