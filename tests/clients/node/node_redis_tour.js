'use strict';
/* The tour with node-redis, unchanged. Arguments: package, port, protocol. */
const [name, port, protocol] = process.argv.slice(2);
const { createClient } = require(name);
const tour = require('./steps.js');

tour(async () => {
    const client = createClient({ socket: { host: '127.0.0.1', port: Number(port) }, RESP: Number(protocol) });
    client.on('error', () => { /* The connection is lost when the server is killed; it comes back. */ });
    await client.connect();
    return {
        set: (k, v) => client.set(k, v),
        get: k => client.get(k),
        hset: (k, fields) => client.hSet(k, fields),
        hgetall: k => client.hGetAll(k),
        vadd: async (k, v, e, attributes) => Number(await client.vAdd(k, v, e, { SETATTR: attributes })),
        vsimScores: async (k, e, n) => ({ ...await client.vSimWithScores(k, e, { COUNT: n }) }),
        command: (...args) => client.sendCommand(args),
        select: db => client.sendCommand(['SELECT', db]),
        multi: list => list.reduce((m, [f, ...args]) => m[f](...args), client.multi()).exec(),
        scanAll: async match => {
            const keys = [];
            for await (const found of client.scanIterator({ MATCH: match, COUNT: 50 })) keys.push(...[found].flat());
            return keys;
        },
        close: () => client.close(),
    };
});
