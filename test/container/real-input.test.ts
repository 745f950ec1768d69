/**
 * Real programs in containers: packages from npm as they are installed, and the standard library of Python.
 *
 * Each result is compared with what the same code gives in a plain process here, or with bytes made here.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { PDFDocument } from 'pdf-lib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeContainers } from './availability.ts';
import { type ContainerBench, openContainerBench, zipOf } from './bench.ts';
import { packageTrees, runInPlainNode } from './packages.ts';

const INVOICES = `
const _ = require('lodash');
const { addMonths, differenceInCalendarDays, formatISO, format } = require('date-fns');
const { de } = require('date-fns/locale');
const { PDFDocument, StandardFonts, rgb } = require('pdf-lib');

exports.handler = async ({ orders, today }) => {
  const totals = _.mapValues(_.groupBy(orders, 'customer'), (list) => _.sumBy(list, 'cents'));
  const now = new Date(today);
  const due = orders.map(({ id, placed }) => {
    const date = addMonths(new Date(placed), 1);
    return { id, due: formatISO(date), text: format(date, 'EEEE, d. MMMM yyyy', { locale: de }), days: differenceInCalendarDays(date, now) };
  });
  const pdf = await PDFDocument.create({ updateMetadata: false });
  const font = await pdf.embedFont(StandardFonts.Helvetica);
  pdf.setTitle('Invoices');
  for (const [customer, cents] of _.sortBy(_.toPairs(totals), 0)) {
    const page = pdf.addPage([420, 595]);
    page.drawText(customer + ': ' + (cents / 100).toFixed(2), { x: 40, y: 500, size: 18, font, color: rgb(0, 0.3, 0.6) });
  }
  return { totals, due, pdf: await pdf.saveAsBase64(), versions: [_.VERSION] };
};`;

const orders = Array.from({ length: 200 }, (_, index) => ({
  id: index,
  customer: ['Ada', 'Grace', 'Alan'][index % 3],
  cents: 100 + index * 7,
  placed: new Date(Date.UTC(2024, index % 12, 1 + (index % 28))).toISOString(),
}));

let bench: ContainerBench;
const open = async (): Promise<void> => {
  bench = await openContainerBench();
};

await describeContainers('a Node function in a container', ['nodejs24', 'python3', 'provided'], () => {
  beforeAll(open);
  afterAll(() => bench.close());

  it('runs with the trees of lodash, date-fns and pdf-lib as npm installed them', async () => {
    const code = zipOf({ ...packageTrees(['lodash', 'date-fns', 'pdf-lib']), 'index.js': INVOICES });
    await bench.deploy('invoices', 'nodejs24', code, { memoryMb: 512 });
    const event = { orders, today: '2024-06-15T00:00:00Z' };
    const result = await bench.result('invoices', event);
    expect(result).toEqual(await runInPlainNode(INVOICES, event));
    const { pdf, totals } = result as { pdf: string; totals: Record<string, number> };
    const document = await PDFDocument.load(pdf);
    expect([document.getPageCount(), document.getTitle()]).toEqual([3, 'Invoices']);
    expect(Object.values(totals).reduce((sum, cents) => sum + cents)).toBe(200 * 100 + 7 * 199 * 100);

    const warm = await bench.invoke('invoices', event);
    expect(warm.receipt.start).toBe('code');
    expect(warm.result).toEqual(result);
  });

  it('runs an Express application that listens, through an adapter and over its own socket', async () => {
    const code = zipOf({ ...packageTrees(['express', 'serverless-http']), 'index.js': SHOP });
    await bench.deploy('shop', 'nodejs24', code, { memoryMb: 256, initializer: 'index.start' });
    const get = await bench.result('shop', gateway('GET', '/orders/7', { query: { full: 'yes' } }));
    expect(get).toMatchObject({ statusCode: 200, isBase64Encoded: false });
    expect(bodyOf(get)).toEqual({ id: 7, full: 'yes', agent: 'tests/1' });
    expect((get as Response).headers).toMatchObject({
      'x-powered-by': 'Express',
      'cache-control': 'no-store',
    });

    const post = await bench.result(
      'shop',
      gateway('POST', '/orders', { body: { items: ['ä', '€', '😀'] } }),
    );
    expect(post).toMatchObject({ statusCode: 201, headers: { location: '/orders/1' } });
    expect(bodyOf(post)).toEqual({ count: 3, text: 'ä€😀' });

    const image = (await bench.result('shop', gateway('GET', '/pixel'))) as Response;
    expect(image).toMatchObject({ statusCode: 200, isBase64Encoded: true });
    expect(Buffer.from(image.body, 'base64')).toEqual(Buffer.from([0, 255, 1, 254]));

    expect(await bench.result('shop', gateway('GET', '/nowhere'))).toMatchObject({ statusCode: 404 });
    expect(await bench.result('shop', gateway('GET', '/boom'))).toMatchObject({ statusCode: 500 });
    const over = await bench.result('shop', gateway('GET', '/over-the-socket'));
    expect(bodyOf(over)).toEqual({ id: 9, full: null, agent: 'itself' });
  });

  it('finds modules as Node does: dynamic import, JSON, conditions of exports', async () => {
    await bench.deploy('modules', 'nodejs24', MODULES, { handler: 'app/main.handler' });
    expect(await bench.result('modules', { language: 'de' })).toEqual({
      greeting: 'Guten Tag',
      json: { answer: 42 },
      imported: 'esm',
      required: 'cjs',
      deep: 'deep/one',
      hidden: 'ERR_PACKAGE_PATH_NOT_EXPORTED',
      folder: true,
      builtin: createHash('sha256').update('strata').digest('hex'),
    });
    expect(await bench.result('modules', { language: 'fr' })).toMatchObject({
      greeting: 'ERR_MODULE_NOT_FOUND',
    });
  });

  it('has its environment, its initializer once, timers and processes of its own', async () => {
    const env = { GREETING: 'Grüß Gott = "hello"\n', EMPTY: '' };
    await bench.deploy('rich', 'nodejs24', RICH, { env, initializer: 'index.start', memoryMb: 256 });
    const first = await bench.result('rich', { n: 3 });
    expect(first).toEqual({
      ...{ started: 1, call: 1, greeting: env.GREETING, empty: '', home: '/tmp', zone: 'UTC' },
      ...{ ticks: [0, 1, 2], child: { doubled: 6, code: 0 }, inherited: env.GREETING, file: 'kept' },
    });
    expect(await bench.result('rich', { n: 5 })).toMatchObject({
      ...{ started: 1, call: 2, ticks: [0, 1, 2, 3, 4], child: { doubled: 10, code: 0 } },
    });
  });
});

interface Response {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const bodyOf = (response: unknown): unknown => JSON.parse((response as Response).body);

/** An event as an API gateway sends it. */
const gateway = (
  httpMethod: string,
  path: string,
  { query, body }: { query?: Record<string, string>; body?: unknown } = {},
): object => ({
  ...{ resource: '/{proxy+}', path, httpMethod, stageVariables: null, isBase64Encoded: false },
  headers: { Host: 'shop.example', 'User-Agent': 'tests/1', 'Content-Type': 'application/json' },
  queryStringParameters: query ?? null,
  pathParameters: { proxy: path.slice(1) },
  requestContext: { stage: 'prod', requestId: 'r-1', identity: { sourceIp: '192.0.2.1' } },
  body: body === undefined ? null : JSON.stringify(body),
});

const SHOP = `
const express = require('express');
const serverless = require('serverless-http');
const app = express();
app.use(express.json());
app.use((request, response, next) => { response.set('Cache-Control', 'no-store'); next(); });
app.get('/orders/:id', (request, response) => response.json({
  id: Number(request.params.id), full: request.query.full ?? null, agent: request.get('user-agent'),
}));
app.post('/orders', (request, response) => response.status(201).location('/orders/1').json({
  count: request.body.items.length, text: request.body.items.join(''),
}));
app.get('/pixel', (request, response) => response.type('image/png').send(Buffer.from([0, 255, 1, 254])));
app.get('/boom', () => { throw new Error('boom'); });
app.get('/over-the-socket', async (request, response) => {
  const own = 'http://127.0.0.1:' + server.address().port;
  const answer = await fetch(own + '/orders/9', { headers: { 'user-agent': 'itself' } });
  response.status(answer.status).json(await answer.json());
});
let server;
exports.start = () => new Promise((resolve) => { server = app.listen(0, '127.0.0.1', resolve); });
exports.handler = serverless(app, { binary: ['image/png'] });
`;

const MODULES = {
  'app/main.mjs': `
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import data from './data.json' with { type: 'json' };
import { kind, deep } from 'kinds';
const require = createRequire(import.meta.url);
export const handler = async ({ language }) => ({
  greeting: await import('./greetings/' + language + '.js').then((m) => m.default, (e) => e.code),
  json: data,
  imported: kind,
  required: require('kinds').kind,
  deep: deep + (await import('kinds/parts/one')).name,
  hidden: await import('kinds/internal.mjs').then(() => 'found', (e) => e.code),
  folder: existsSync(new URL('./greetings', import.meta.url)),
  builtin: createHash('sha256').update('strata').digest('hex'),
});`,
  'app/data.json': '{ "answer": 42 }',
  'app/greetings/package.json': '{ "type": "commonjs" }',
  'app/greetings/de.js': "module.exports = 'Guten Tag';",
  'node_modules/kinds/package.json': JSON.stringify({
    name: 'kinds',
    exports: {
      '.': { import: './main.mjs', require: './main.cjs' },
      './parts/*': './inner/*.mjs',
    },
    imports: { '#deep': './deep.mjs' },
  }),
  'node_modules/kinds/main.mjs': "export const kind = 'esm'; export { deep } from '#deep';",
  'node_modules/kinds/main.cjs': "exports.kind = 'cjs';",
  'node_modules/kinds/deep.mjs': "export const deep = 'deep/';",
  'node_modules/kinds/inner/one.mjs': "export const name = 'one';",
  'node_modules/kinds/internal.mjs': 'export default 1;',
};

const RICH = `
const { spawn } = require('node:child_process');
const { readFile, writeFile } = require('node:fs/promises');
const { setTimeout: after } = require('node:timers/promises');
let started = 0;
let call = 0;
exports.start = async () => { await after(1); started += 1; };
const ticks = (n) => new Promise((resolve) => {
  const seen = [];
  const timer = setInterval(() => { seen.push(seen.length); if (seen.length === n) { clearInterval(timer); resolve(seen); } }, 1);
});
const child = (n) => new Promise((resolve, reject) => {
  const program = 'process.stdin.on("data", (d) => process.stdout.write(JSON.stringify([d * 2, process.env.GREETING])))';
  const running = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  let out = '';
  running.stdout.on('data', (d) => { out += d; });
  running.on('error', reject).on('close', (code) => { const [doubled, greeting] = JSON.parse(out); resolve({ doubled, greeting, code }); });
  running.stdin.end(String(n));
});
exports.handler = async ({ n }) => {
  const { GREETING, EMPTY, HOME, TZ } = process.env;
  await writeFile('/tmp/file', 'kept');
  const { greeting, ...answer } = await child(n);
  return {
    started, call: ++call, greeting: GREETING, empty: EMPTY, home: HOME, zone: TZ,
    ticks: await ticks(n), child: answer, inherited: greeting, file: await readFile('/tmp/file', 'utf8'),
  };
};`;

await describeContainers('a Python function in a container', ['nodejs24', 'python3', 'provided'], () => {
  beforeAll(open);
  afterAll(() => bench.close());

  it('reads and writes zip archives, databases, CSV and JSON with the standard library', async () => {
    await bench.deploy('report', 'python3', REPORT_FILES, { handler: 'shop.report.handler', memoryMb: 256 });
    const folder = mkdtempSync(join(tmpdir(), 'strata-report-'));
    const path = join(folder, 'orders.db');
    const database = new DatabaseSync(path);
    database.exec('create table orders (id integer primary key, customer text, cents integer)');
    const insert = database.prepare('insert into orders values (?, ?, ?)');
    for (const { id, customer, cents } of orders) insert.run(id, customer ?? '', cents);
    database.close();
    const archive = zipSync({
      'orders.db': readFileSync(path),
      'customers.csv': strToU8('name,city\r\nAda,"London, UK"\r\nGrace,"New ""York"""\r\nAlan,Wien\r\n'),
    });
    const event = { zip: Buffer.from(archive).toString('base64') };
    const result = (await bench.result('report', event)) as { zip: string };

    const written = unzipSync(Buffer.from(result.zip, 'base64'));
    expect(Object.keys(written).sort()).toEqual(['copy.db', 'report.csv', 'report.json']);
    const report = JSON.parse(strFromU8(written['report.json'] ?? new Uint8Array()));
    const totalOf = (name: string): number =>
      orders.filter(({ customer }) => customer === name).reduce((sum, { cents }) => sum + cents, 0);
    const expected = [
      { name: 'Ada', city: 'London, UK', cents: totalOf('Ada') },
      { name: 'Alan', city: 'Wien', cents: totalOf('Alan') },
      { name: 'Grace', city: 'New "York"', cents: totalOf('Grace') },
    ];
    expect(report).toEqual(expected);
    expect(strFromU8(written['report.csv'] ?? new Uint8Array())).toBe(
      `name,cents\r\n${expected.map(({ name, cents }) => `${name},${cents}\r\n`).join('')}`,
    );
    const copy = join(folder, 'copy.db');
    writeFileSync(copy, written['copy.db'] ?? new Uint8Array());
    const reopened = new DatabaseSync(copy);
    expect(reopened.prepare('select count(*) as n, sum(cents) as sum from report').get()).toEqual({
      ...{ n: 3, sum: expected.reduce((sum, { cents }) => sum + cents, 0) },
    });
    reopened.close();
    rmSync(folder, { recursive: true });
    expect(await bench.result('report', event)).toEqual(result);
  });

  it('awaits an async handler, and reads files of its code', async () => {
    await bench.deploy('async', 'python3', ASYNC_FILES, {
      handler: 'main.handler',
      initializer: 'main.start',
    });
    expect(await bench.result('async', { words: ['Äpfel', 'beta', 'ärger', 'zeta'] })).toEqual({
      ...{ order: [0, 1, 2, 3], started: 1, template: 'Dear {name}', names: ['a.txt', 'b.txt'] },
      text: 'äpfel beta ärger zeta',
    });
  });

  it('gives for text, numbers and time what Python gives here', async () => {
    await bench.deploy('numbers', 'python3', NUMBERS);
    const { stdout } = await promisify(execFile)('/usr/bin/python3', [
      ...['-I', '-c', `${NUMBERS}\nprint(json.dumps(handler({}, None)))`],
    ]);
    expect(await bench.result('numbers')).toEqual(JSON.parse(stdout));
  });
});

const REPORT_FILES = {
  'shop/__init__.py': 'from .money import SCALE\n',
  'shop/money.py': 'SCALE = 100\n',
  'shop/store/__init__.py': '',
  'shop/store/database.py': `
import sqlite3
from contextlib import closing
def totals(path):
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("select customer, sum(cents) from orders group by customer"))
def save(path, rows):
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table report (name text, cents integer)")
        db.executemany("insert into report values (:name, :cents)", rows)
`,
  'shop/report.py': `
import base64, csv, io, json, os, tempfile, zipfile
from . import SCALE
from .store import database
def handler(event, context):
    assert SCALE == 100
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(event["zip"]))) as archive:
            assert archive.testzip() is None
            archive.extractall(folder)
        totals = database.totals(os.path.join(folder, "orders.db"))
        with open(os.path.join(folder, "customers.csv"), newline="", encoding="utf-8") as file:
            rows = [dict(row, cents=totals[row["name"]]) for row in csv.DictReader(file)]
        rows.sort(key=lambda row: row["name"])
        text = io.StringIO()
        writer = csv.DictWriter(text, ["name", "cents"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        copy = os.path.join(folder, "copy.db")
        database.save(copy, rows)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in [("report.csv", text.getvalue()), ("report.json", json.dumps(rows))]:
                archive.writestr(zipfile.ZipInfo(name), data)
            with open(copy, "rb") as file:
                archive.writestr(zipfile.ZipInfo("copy.db"), file.read())
    return {"zip": base64.b64encode(out.getvalue()).decode()}
`,
};

const ASYNC_FILES = {
  'main.py': `
import asyncio, pathlib
from lib.words import lower
HERE = pathlib.Path(__file__).parent
started = 0
def start(context):
    global started
    started += 1
async def handler(event, context):
    order = []
    async def step(n, word):
        await asyncio.sleep(0.001 * n)
        order.append(n)
        return lower(word)
    words = await asyncio.gather(*(step(n, word) for n, word in enumerate(event["words"])))
    return {"order": sorted(order), "started": started, "text": " ".join(words),
            "template": (HERE / "texts" / "a.txt").read_text(), "names": sorted(p.name for p in (HERE / "texts").iterdir())}
`,
  'lib/words.py': 'def lower(word):\n    return word.lower()\n',
  'texts/a.txt': 'Dear {name}',
  'texts/b.txt': 'b',
};

const NUMBERS = `
import datetime, decimal, fractions, hashlib, json, math, re, statistics, textwrap, unicodedata, zlib
def handler(event, context):
    day = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
    return {
        "pi": math.pi, "sum": math.fsum([0.1] * 10), "big": 2 ** 60, "third": str(fractions.Fraction(1, 3)),
        "decimal": str(decimal.Decimal(1) / 7), "median": statistics.median([3, 1, 2]),
        "next": (day + datetime.timedelta(days=1)).isoformat(), "week": day.isocalendar()[1],
        "normal": unicodedata.normalize("NFD", "Ä"), "words": re.findall(r"\\w+", "naïve café 東京"),
        "hash": hashlib.sha256(b"strata").hexdigest(), "crc": zlib.crc32(b"strata"), "wrapped": textwrap.wrap("word " * 30, 40),
    }
`;
