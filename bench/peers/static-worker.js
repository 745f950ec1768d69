// The function of function.js as a worker that workerd has loaded at its start.
let calls = 0;
export default {
  async fetch(request) {
    const event = await request.json();
    return Response.json({ hello: event.name ?? 'world', calls: ++calls });
  },
};
