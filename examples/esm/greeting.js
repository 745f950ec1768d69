const GREETINGS = { en: 'Hello', de: 'Hallo', fr: 'Bonjour' };

export const greet = (name, language) => `${GREETINGS[language] ?? GREETINGS.en}, ${name}!`;
