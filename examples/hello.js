exports.handler = async (event, context) => {
  console.log(`invocation ${context.invocationId}`);
  return { hello: event.name ?? 'world' };
};
