/**
 * Runs the changes of one function one after the other, so that each finds what the one before left.
 *
 * Invariant: a change that fails holds up nobody.
 */
export const createTurns = () => {
  const last = new Map<string, Promise<unknown>>();
  return async <Result>(tenant: string, name: string, change: () => Promise<Result>): Promise<Result> => {
    const key = `${tenant}/${name}`;
    const turn = (last.get(key) ?? Promise.resolve()).then(change, change);
    last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (last.get(key) === turn) last.delete(key);
    }
  };
};
