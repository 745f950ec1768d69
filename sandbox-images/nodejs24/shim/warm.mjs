/** The same as warm.cjs, for the other kind of modules and the other dialect; failing is warmed up here, too. */
await undefined;
export const handler = async (event) => {
  console.error('warm %o', event);
  throw new Error('warm-up');
};
