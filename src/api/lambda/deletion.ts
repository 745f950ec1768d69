/**
 * `DeleteFunction`: of a function with all that belongs to it, or of one of its versions.
 */
import { functionOf, NO_CONTENT, type Operation } from './call.ts';
import { invalidParameter } from './errors.ts';
import { reapply } from './provisioned.ts';
import { forgetQualifier } from './settings.ts';

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
      const latest = parts.executor.get(name, { tenant });
      // As in the service, a version that is not there is no error.
      if (parts.versions.all(latest).every(({ version }) => version !== qualifier)) return NO_CONTENT;
      await parts.versions.remove(latest, qualifier);
      forgetQualifier(parts, latest.id, qualifier);
      await reapply(parts, latest);
      return NO_CONTENT;
    }
    const record = await parts.executor.delete(name, { tenant });
    parts.settings.forget(record.id);
    return NO_CONTENT;
  });
};
