// Says which records are wrong, and where. Event: { "records": [{ "id": 1, "email": "a@b.c", "tags": [] }] }
import Ajv from 'ajv';

const schema = {
  type: 'object',
  required: ['id', 'email', 'tags'],
  additionalProperties: false,
  properties: {
    id: { type: 'integer', minimum: 1 },
    email: { type: 'string', pattern: '^[^@\\s]+@[^@\\s]+\\.[a-z]+$', maxLength: 100 },
    tags: { type: 'array', items: { enum: ['new', 'paid', 'late'] }, uniqueItems: true },
    address: { type: 'object', required: ['city'], properties: { city: { type: 'string', minLength: 1 } } },
  },
};

// Ajv generates the code of the validator: once, when the function is loaded.
const validate = new Ajv({ allErrors: true }).compile(schema);

export const handler = ({ records }) => {
  const invalid = records.flatMap((record, index) =>
    validate(record) ? [] : [{ index, errors: validate.errors.map((e) => `${e.instancePath} ${e.message}`) }],
  );
  return { valid: records.length - invalid.length, invalid };
};
