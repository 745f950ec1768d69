using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "static", worker = .staticWorker),
    (name = "loader", worker = .loaderWorker),
  ],
  sockets = [
    (name = "static", address = "127.0.0.1:0", http = (), service = "static"),
    (name = "loader", address = "127.0.0.1:0", http = (), service = "loader"),
  ],
);

const staticWorker :Workerd.Worker = (
  modules = [(name = "static-worker.js", esModule = embed "static-worker.js")],
  compatibilityDate = "2026-01-01",
);

const loaderWorker :Workerd.Worker = (
  modules = [
    (name = "loader-worker.js", esModule = embed "loader-worker.js"),
    (name = "dynamic-source", text = embed "static-worker.js"),
  ],
  compatibilityDate = "2026-01-01",
  bindings = [(name = "LOADER", workerLoader = ())],
);
