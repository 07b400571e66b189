// The `statsd-client` client for Node.js.
const Client = require("statsd-client");

const [scheme, , port] = process.argv[2].split(":");
const client = new Client({ host: "127.0.0.1", port: Number(port), tcp: scheme === "tcp" });
for (let i = 0; i < 10; i++) client.counter("matrix.count", 3);
client.gauge("matrix.gauge", 42.5);
for (let i = 0; i < 5; i++) client.timing("matrix.time", 12);
for (const member of ["x", "y", "x"]) client.set("matrix.set", member);
client.close();
