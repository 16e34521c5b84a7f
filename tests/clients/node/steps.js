'use strict';
/* The tour, for both clients of Node. Each brings `c`, an object of functions that use the client as
 * it is: its own methods where it has them, else its generic command call. */
const readline = require('readline');

const WORDS = { king: 1.0, queen: 1.01, prince: 1.02, castle: 1.5, tea: 2.5, river: 4.0 };
let count = 0;

function check(sentence, got, want) {
    count++;
    const g = JSON.stringify(got), w = JSON.stringify(want);
    if (g === w) console.log(`ok ${count} - ${sentence}`);
    else console.log(`not ok ${count} - ${sentence}: got ${g}, want ${w}`);
}

const vector = seed => Array.from({ length: 100 }, (_, i) => Number(Math.sin(seed * (i + 1)).toFixed(6)));

/* A map of a reply: an object, a Map, or, in RESP2, a flat array. */
function pairs(reply) {
    if (reply instanceof Map) return Object.fromEntries(reply);
    if (!Array.isArray(reply)) return reply;
    const map = {};
    for (let i = 0; i < reply.length; i += 2) map[reply[i]] = reply[i + 1];
    return map;
}

async function refused(promise) {
    try { await promise; } catch (e) { return e.message; }
    return 'nothing was refused';
}

async function fill(c) {
    check('SET answers OK', await c.set('greeting', 'hello'), 'OK');
    check('GET reads it', await c.get('greeting'), 'hello');
    check('HSET counts new fields', await c.hset('user:1', { name: 'Ada', lang: 'C' }), 2);
    check('HGETALL is an object', { ...await c.hgetall('user:1') }, { name: 'Ada', lang: 'C' });
    for (const [word, seed] of Object.entries(WORDS))
        check(`VADD ${word}`, await c.vadd('words', vector(seed), word, { len: word.length }), 1);
    check('VADD by hand updates', Number(await c.command('VADD', 'words', 'VALUES', '100',
        ...vector(1.0).map(String), 'king', 'SETATTR', '{"len":4}')), 0);
}

async function search(c) {
    const found = await c.vsimScores('words', 'king', 5);
    const ranked = Object.entries(found).sort((a, b) => b[1] - a[1]).map(([k]) => k);
    check('VSIM finds five and ranks them', [ranked.length, ...ranked.slice(0, 3)], [5, 'king', 'queen', 'prince']);
    check('the score of the element itself is 1', Math.abs(found.king - 1) < 0.01, true);
    const reply = await c.command('VSEARCH', 'words', 'K', '5', 'ELE', 'king', 'FILTER', '.len < 6',
        'WITHSCORES', 'WITHATTRIBS');
    let rows = [];
    if (!Array.isArray(reply)) rows = Object.entries(pairs(reply)).map(([k, v]) => [k, ...v]);
    else if (Array.isArray(reply[1])) for (let i = 0; i < reply.length; i += 2) rows.push([reply[i], ...reply[i + 1]]);
    else for (let i = 0; i < reply.length; i += 3) rows.push(reply.slice(i, i + 3));
    check('VSEARCH filters', rows.map(r => r[0]).sort(), ['king', 'queen', 'river', 'tea']);
    check("VSEARCH's first row", [rows[0][0], Math.abs(Number(rows[0][1]) - 1) < 0.01, rows[0][2]],
        ['king', true, '{"len":4}']);
}

async function files(c) {
    const [version, size] = await c.command('FS.WRITE', 'agent1', '/src/main.c', 'int main(){}', 'PARENTS');
    check('FS.WRITE answers version and size', [version > 0, size], [true, 12]);
    check('FS.READ', await c.command('FS.READ', 'agent1', '/src/main.c'), 'int main(){}');
    const [cursor, entries] = await c.command('FS.LS', 'agent1', '/src', 'WITHSTAT');
    const [name, stat] = Array.isArray(entries[0]) ? entries[0] : entries;
    check('FS.LS WITHSTAT', [String(cursor), name, pairs(stat).size, pairs(stat).type], ['0', 'main.c', 12, 'file']);
    check('a missing file is an error',
        (await refused(c.command('FS.READ', 'agent1', '/none'))).includes('ENOENT'), true);
}

async function change(c) {
    check('SET again', await c.set('greeting', 'bye'), 'OK');
    check('HSET again', await c.hset('user:1', { lang: 'Rust' }), 0);
    check('VREM', Number(await c.command('VREM', 'words', 'queen')), 1);
    check('VADD another', await c.vadd('words', vector(1.005), 'emperor', { len: 7 }), 1);
    check('FS.WRITE again', (await c.command('FS.WRITE', 'agent1', '/src/main.c', 'changed'))[1], 7);
    check('FS.WRITE another', (await c.command('FS.WRITE', 'agent1', '/new', 'new'))[1], 3);
    check('MULTI and EXEC', await c.multi([['set', 'a', '1'], ['incr', 'a']]), ['OK', 2]);
}

async function state(c) {
    return [await c.get('greeting'), (await c.hgetall('user:1')).lang,
        Object.keys(await c.vsimScores('words', 'king', 3)).sort(),
        await c.command('FS.READ', 'agent1', '/src/main.c'),
        (await c.command('FS.LS', 'agent1', '/'))[1], await c.get('a')];
}

const BEFORE = ['hello', 'C', ['king', 'prince', 'queen'], 'int main(){}', ['src'], null];
const AFTER = ['bye', 'Rust', ['emperor', 'king', 'prince'], 'changed', ['new', 'src'], '2'];

async function branches(c, another) {
    check('SNAPSHOT FORK', await c.command('SNAPSHOT', 'FORK', 'before', 'branch'), 'OK');
    const one = await another();
    check('SELECT of a fork', await one.select('branch'), 'OK');
    check('the fork has what was there', await state(one), BEFORE);
    await one.set('greeting', 'from the branch');
    check('the fork can be written', await one.get('greeting'), 'from the branch');
    await one.close();
    check('the fork is apart', await state(c), AFTER);
    const safety = await c.command('SNAPSHOT', 'RESTORE', 'before');
    check('SNAPSHOT RESTORE names a safety snapshot', String(safety).startsWith('before'), true);
    check('all is back', await state(c), BEFORE);
    const list = await c.command('SNAPSHOT', 'LIST');
    check('SNAPSHOT LIST', list.map(s => pairs(s).name), ['before', safety]);
}

async function rest(c) {
    check('an error is a rejection', (await refused(c.command('HGET', 'greeting', 'x'))).includes('WRONGTYPE'), true);
    const sets = [];
    for (let i = 0; i < 500; i++) sets.push(c.set(`key:${i}`, String(i)));
    check('pipelined by the client itself', (await Promise.all(sets)).every(x => x === 'OK'), true);
    check('SCAN sees every key', new Set(await c.scanAll('key:*')).size, 500);
    check('a TTL is set', [await c.command('SET', 'brief', '1', 'EX', '100'), await c.command('TTL', 'brief') >= 98],
        ['OK', true]);
    check('CLIENT ACK', await c.command('CLIENT', 'ACK', 'memory'), 'OK');
}

/* connect() makes a connected client; the tour kills the server once and keeps the client. */
async function tour(connect) {
    const c = await connect();
    await fill(c);
    await search(c);
    await files(c);
    check('SNAPSHOT CREATE', pairs(await c.command('SNAPSHOT', 'CREATE', 'before')).name, 'before');
    await change(c);
    check('all is changed', await state(c), AFTER);
    const line = new Promise(resolve => readline.createInterface({ input: process.stdin }).once('line', resolve));
    console.log('KILL');
    await line;
    check('every acknowledged change is there after kill -9', await state(c), AFTER);
    await branches(c, connect);
    await rest(c);
    await c.close();
    console.log(`1..${count}`);
    process.exit(0);
}

module.exports = connect => tour(connect).catch(e => {
    console.log(`not ok - the tour ends early: ${e.stack.replace(/\n/g, ' ')}`);
    process.exit(1);
});
