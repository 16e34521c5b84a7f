'use strict';
/* The tour with ioredis, unchanged. Arguments: package, port, protocol. Before version 6 it speaks
 * RESP2 alone. */
const [name, port, protocol] = process.argv.slice(2);
const Redis = require(name);
const tour = require('./steps.js');

tour(async () => {
    const client = new (Redis.default || Redis)({ host: '127.0.0.1', port: Number(port), lazyConnect: true,
        protocol: Number(protocol) });
    client.on('error', () => { /* The connection is lost when the server is killed; it comes back. */ });
    await client.connect();
    return {
        set: (k, v) => client.set(k, v),
        get: k => client.get(k),
        hset: (k, fields) => client.hset(k, fields),
        hgetall: k => client.hgetall(k),
        vadd: async (k, v, e, attributes) => Number(await client.call('VADD', k, 'VALUES', v.length, ...v, e,
            'SETATTR', JSON.stringify(attributes))),
        vsimScores: async (k, e, n) => {
            const reply = await client.call('VSIM', k, 'ELE', e, 'COUNT', n, 'WITHSCORES');
            if (!Array.isArray(reply)) return reply instanceof Map ? Object.fromEntries(reply) : { ...reply };
            const map = {};
            for (let i = 0; i < reply.length; i += 2) map[reply[i]] = Number(reply[i + 1]);
            return map;
        },
        command: (...args) => client.call(...args),
        select: db => client.select(db),
        multi: async list => (await client.multi(list).exec()).map(([error, value]) => error || value),
        scanAll: async match => {
            const keys = [];
            for await (const found of client.scanStream({ match, count: 50 })) keys.push(...found);
            return keys;
        },
        close: () => client.quit(),
    };
});
