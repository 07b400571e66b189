// The `hot-shots` client for Node.js.
const StatsD = require("hot-shots");

const [scheme, ...rest] = process.argv[2].split(":");
const where = rest.join(":").replace(/^\/\//, "");
const [host, port] = where.split(":");
const protocol = { udp: "udp", tcp: "tcp", unixgram: "uds", stdin: "stream" }[scheme];
const options = { protocol, errorHandler: (error) => { console.error(error); process.exitCode = 1; } };
if (protocol === "uds") options.path = where;
else if (protocol === "stream") options.stream = process.stdout;
else Object.assign(options, { host, port: Number(port) });

const client = new StatsD(options);
for (let i = 0; i < 10; i++) client.increment("matrix.count", 3, { a: "1" });
client.gauge("matrix.gauge", 42.5);
for (let i = 0; i < 5; i++) client.timing("matrix.time", 12);
for (const member of ["x", "y", "x"]) client.set("matrix.set", member);
client.close();
