/**
 * What fuzzing has found: inputs that were dealt with wrongly once, each with what it did. The tests of this folder run
 * them beside their seeded ones.
 */

const HOST = 'Host: localhost\r\n';
const CLOSING = `GET /healthz HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;

/** Streams of requests. */
export const FOUND_STREAMS: Readonly<Record<string, string>> = {
  'the refusal of the second came as the answer to the first, which was executed': `POST /v1/functions/a/invocations HTTP/1.1\r\n${HOST}Ct-Length: 5\r\n\r\n0\r\n\r\n${CLOSING}`,
  'the word to go on came between the head and the body of an answer':
    `POST /v1/functions/a/invocations HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\n0\r\n\r\n` +
    `GET /v1/functions/%zz HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n\r\n${CLOSING}`,
  'the refusal of a chunk waited for an answer that waited for the chunk':
    `POST /v1/functions/a/invocations HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}` +
    `POST /v1/functions/b/invocations HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n2\r\n{}X\r\n`,
};

/** Archives, in base64: which of two ends or headers counts was left to the reader. */
export const FOUND_ARCHIVES: Readonly<Record<string, string>> = {
  'a comment that holds a second end':
    'UEsDBBQAAAAAAAAAIQCGphA2BQAAAAUAAAAIAAAAaW5kZXguanNoZWxsb1BLAQIUAxQAAAAAAAAAIQCGphA2BQAAAAUAAAAIAAAAAAAAAAAAAACAAQAAAABpbmRleC5qc1BLBQYAAAAAAQABADYAAAArAAAAGAB4UEsFBgAAAAABAAEANgAAACsAAAAAAHk=',
  'a header at the data that names another method':
    'UEsDBBQAAAAIAAAAIQCGphA2BQAAAAUAAAAIAAAAaW5kZXguanNoZWxsb1BLAQIUAxQAAAAAAAAAIQCGphA2BQAAAAUAAAAIAAAAAAAAAAAAAACAAQAAAABpbmRleC5qc1BLBQYAAAAAAQABADYAAAArAAAAAAA=',
  'a header at the data that names another size':
    'UEsDBBQAAAAAAAAAIQCGphA2BQAAAAQAAAAIAAAAaW5kZXguanNoZWxsb1BLAQIUAxQAAAAAAAAAIQCGphA2BQAAAAUAAAAIAAAAAAAAAAAAAACAAQAAAABpbmRleC5qc1BLBQYAAAAAAQABADYAAAArAAAAAAA=',
  'a header of a folder that names another size':
    'UEsDBBQAAAAIAMGedV0AAAAACAAAAAAAAAAEAAAAbGliLwMAUEsDBBQAAAAAAMGedV2EegLmGAAAABgAAAAKAAAAbGliL2IvYy5qc2FhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYVBLAQIUAxQAAAAIAMGedV0AAAAAAgAAAAAAAAAEAAAAAAAAAAAAAADtQQAAAABsaWIvUEsBAhQDFAAAAAAAwZ51XYR6AuYYAAAAGAAAAAoAAAAAAAAAAAAAAKSBJAAAAGxpYi9iL2MuanNQSwUGAAAAAAIAAgBqAAAAZAAAAAAA',
};
