// The page with plots of a comparison: bars of the steady time with the spread of the rounds, and a table. Plain HTML
// and SVG, no script.   node bench/report.mjs RESULTS.json > page.html
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const escape = text =>
  String(text).replace(/[&<>"]/g, c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'})[c]);
const time = ms =>
  ms === null || ms === undefined
    ? '–'
    : ms >= 1000
      ? `${(ms / 1000).toFixed(2)} s`
      : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`;
const megabytes = bytes => (bytes ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB` : '–');

const ours = runtime => runtime.startsWith('sluice');
const nameWidth = 190;
const barWidth = 430;
const rowHeight = 22;

/** Bars of one group: a model with a number of threads. */
function plot(rows) {
  const most = Math.max(...rows.flatMap(row => row.steady_ms));
  const x = ms => nameWidth + (ms / most) * barWidth;
  const bars = rows.map((row, i) => {
    const y = i * rowHeight;
    const low = Math.min(...row.steady_ms);
    const high = Math.max(...row.steady_ms);
    const middle = y + 10;
    const ratio = row.times_faster ? ` · ${row.times_faster.toFixed(2)}×` : '';
    return [
      `<text x="${nameWidth - 8}" y="${y + 14}" text-anchor="end">${escape(row.runtime)}</text>`,
      `<rect x="${nameWidth}" y="${y + 3}" width="${(x(row.median_ms) - nameWidth).toFixed(1)}" height="14" class="${ours(row.runtime) ? 'ours' : 'peer'}"/>`,
      `<path d="M${x(low).toFixed(1)} ${middle}H${x(high).toFixed(1)}M${x(low).toFixed(1)} ${middle - 4}v8M${x(high).toFixed(1)} ${middle - 4}v8" class="spread"/>`,
      `<text x="${(x(high) + 8).toFixed(1)}" y="${y + 14}">${time(row.median_ms)}${ratio}</text>`,
    ].join('');
  });
  const height = rows.length * rowHeight;
  return `<svg viewBox="0 0 ${nameWidth + barWidth + 160} ${height}" width="${nameWidth + barWidth + 160}" height="${height}" role="img">${bars.join('')}</svg>`;
}

function table(rows) {
  const heads = ['', 'load', 'create', 'first run', 'ready', 'steady', 'processor', 'peak memory', 'download'];
  const cells = row => [
    escape(row.runtime),
    time(row.load_ms),
    time(row.create_ms),
    time(row.first_ms),
    time(row.ready_ms),
    `${time(row.median_ms)} <small>${time(Math.min(...row.steady_ms))} to ${time(Math.max(...row.steady_ms))}</small>`,
    time([...row.cpu_ms].sort((a, b) => a - b)[row.cpu_ms.length >> 1]),
    megabytes(row.peak_bytes),
    megabytes(row.download_bytes),
  ];
  return `<table><tr>${heads.map(head => `<th>${head}</th>`).join('')}</tr>${rows
    .map(
      row =>
        `<tr>${cells(row)
          .map(cell => `<td>${cell}</td>`)
          .join('')}</tr>`,
    )
    .join('')}</table>`;
}

/** The page of a report that bench/run wrote. */
export function htmlOf(report) {
  const groups = new Map();
  for (const row of report.results) {
    const key = `${row.model}, ${row.threads} thread${row.threads > 1 ? 's' : ''}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const versions = Object.entries(report.versions).filter(([, version]) => version);
  const sections = [...groups].map(([title, rows]) => `<h2>${escape(title)}</h2>\n${plot(rows)}\n${table(rows)}`);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sluice beside its peers</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2430; background: #fff }
h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
svg { max-width: 100%; height: auto; font-size: 13px }
.ours { fill: #1769c2 } .peer { fill: #a9b4c2 } .spread { stroke: #1d2430; fill: none }
table { border-collapse: collapse; font-size: 13px; margin: .4rem 0 } th, td { text-align: right; padding: .1rem .6rem; white-space: nowrap }
th { font-weight: 500; color: #5a6675 } td:first-child { text-align: left } small { color: #5a6675 }
</style>
<h1>Sluice beside its peers</h1>
<p>${escape(report.machine.cpu)}, ${report.machine.cores} cores, ${(report.machine.memory_bytes / 2 ** 30).toFixed(0)} GiB, ${escape(report.machine.system)}; ${escape(report.date)}.<br>
${versions.map(([name, version]) => escape(version.includes(' ') ? version : `${name} ${version}`)).join(', ')}.</p>
<p>Bars are medians of interleaved rounds, the lines least to most; × is how many times faster than the peer in the same place,
the median of the rounds' ratios. Flags: <code>${escape(report.flags.join(' ') || 'none')}</code>.</p>
${sections.join('\n')}
</html>
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = process.argv[2];
  if (!file) {
    console.error('usage: node bench/report.mjs RESULTS.json > page.html');
    process.exit(2);
  }
  process.stdout.write(htmlOf(JSON.parse(fs.readFileSync(path.resolve(file), 'utf8'))));
}
