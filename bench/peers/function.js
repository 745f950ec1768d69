// The function that every subject runs. Its counter tells a fresh isolate (1) from one that was used before.
let calls = 0;
exports.handler = (event) => ({ hello: event.name ?? 'world', calls: ++calls });
