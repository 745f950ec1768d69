/**
 * `DeleteFunction`: of a function with all that belongs to it, or of one of its versions.
 */
import { functionOf, NO_CONTENT, type Operation } from './call.ts';
import { invalidParameter } from './errors.ts';
import { versionsOf } from './versions.ts';

export const deleteFunction: Operation = async (call, parts) => {
  const { tenant, name, qualifier } = functionOf(call, parts);
  return parts.inTurn(tenant, name, async () => {
    if (qualifier === '$LATEST')
      throw invalidParameter('$LATEST version cannot be deleted without deleting the function.');
    if (qualifier !== null) {
      if (!/^\d+$/.test(qualifier))
        throw invalidParameter(
          'Deletion of aliases is not currently supported by this call; use DeleteAlias.',
        );
      await versionsOf(parts).remove(parts.executor.get(name, { tenant }), qualifier);
      return NO_CONTENT;
    }
    const record = await parts.executor.delete(name, { tenant });
    parts.settings.forget(record.id);
    return NO_CONTENT;
  });
};
