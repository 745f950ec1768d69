/** The function that the shim loads and calls before any other. */
exports.handler = (event) => {
  console.log('warm', event);
  return event;
};
