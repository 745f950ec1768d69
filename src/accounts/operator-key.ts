/**
 * The admin key that an operator chose: from the environment or from a file, never stored.
 *
 * Owns what such a key must look like. Never shows one.
 */
import { readFileSync } from 'node:fs';
import { StrataError } from '../core/errors.ts';
import { isOperatorKey } from './key-text.ts';

/** @throws StrataError `invalid_request`. */
export const operatorKeyOf = ({
  adminKey,
  adminKeyFile,
}: {
  readonly adminKey: string;
  readonly adminKeyFile: string;
}): string | null => {
  if (adminKey === '' && adminKeyFile === '') return null;
  if (adminKey !== '' && adminKeyFile !== '')
    throw new StrataError('invalid_request', 'auth.adminKey and auth.adminKeyFile are both given; give one.');
  const key = adminKey === '' ? keyInFile(adminKeyFile) : adminKey;
  if (isOperatorKey(key)) return key;
  throw new StrataError(
    'invalid_request',
    `The admin key in ${adminKey === '' ? adminKeyFile : 'STRATA_ADMIN_KEY or auth.adminKey'} must be sk_ and 43 to 200 ` +
      'letters, digits, "-" and "_"; make one by: echo "sk_$(openssl rand -hex 32)".',
  );
};

const keyInFile = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StrataError(
      'invalid_request',
      `The file of the admin key, ${path}, cannot be read (${code}).`,
      {
        cause,
      },
    );
  }
};
