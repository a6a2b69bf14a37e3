// Holds a static site to the rules of nfkit's pages, in real browsers.
//
// Usage: tests/browser/run check.mjs SITE EXPECTED
// SITE is a directory, EXPECTED a file of JSON, or - for standard input:
//   pages   the pages that the browsers visit; links are checked in all
//   visits, keyboard, axe, firefox   other pages than these for one part of the checks
//   markup  the number of pages, spread over the site, whose markup is checked beside theirs, by default all
//   trees   the pages whose accessibility tree is wanted as text
//   policy  the Content-Security-Policy of each page
//   allow   prefixes of foreign links that are allowed
//   now     the time that the pages' scripts are told, such as "2001-08-04T17:30:00Z"
// Standard output is JSON: violations (rule, page, where, what), figures of each page, trees, how much was
// checked, and what was skipped. Status 0 without a violation, 1 with one, 2 if the checks themselves fail.
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkAxe, treeOf } from './access.mjs';
import { chromium, which } from './browsers.mjs';
import { checkFirefox } from './firefox.mjs';
import { checkKeyboard, keepListeners } from './keyboard.mjs';
import { checkLinks } from './links.mjs';
import { checkMarkup } from './markup.mjs';
import { Report } from './report.mjs';
import { fileBase, filesBelow, serve } from './site.mjs';
import { Tab, WIDTHS, checkVisit, emulate, print } from './visit.mjs';

const [root, file] = process.argv.slice(2);
const report = new Report();

/** Returns the jobs of the tabs, as functions that open, use and close one. */
function jobs(browser, bases, expected) {
    const jobs = [];
    const job = (part, options, visit) => {
        const pages = expected[part] ?? expected.pages;
        if (pages.length === 0) return;
        jobs.push(async () => {
            const began = Date.now();
            const tab = await Tab.open(browser, { expected, ...options });
            if (options.before) await tab.page.evaluateOnNewDocument(options.before);
            for (const path of pages) await visit(tab, path);
            await tab.page.close();
            report.took(part, began);
        });
    };
    for (const [scheme, base] of Object.entries(bases)) {
        for (const medium of ['light', 'forced']) {
            for (const width of medium === 'light' ? [1440, 360] : [1440]) {
                const where = `${scheme} keyboard ${width} ${medium}`;
                job('keyboard', { base, width, before: keepListeners }, async (tab, path) => {
                    const stops = await checkKeyboard(tab, path, medium, where, report);
                    if (scheme === 'file' && width === 1440) report.measured(path, { stops });
                });
            }
        }
        job('axe', { base, bypass: true }, async (tab, path) => {
            report.measured(path, { axe_undecided: await checkAxe(tab, path, `${scheme} axe`, report) });
        });
        for (const script of [true, false]) {
            for (const width of WIDTHS) {
                const where = `${scheme}${script ? '' : ' without scripts'}`;
                job('visits', { base, width, script }, async (tab, path) => {
                    const { height, elements, requested } = await checkVisit(tab, width, path, where, report);
                    const sheets = script && width === 1440 ? await print(tab, scheme, report) : null;
                    if (!script || scheme !== 'file') return;
                    report.measured(path, { [`height_${width}`]: height, elements });
                    if (sheets !== null) report.measured(path, { sheets, ...(await sizes(path, requested)) });
                });
            }
        }
    }
    jobs.push(async () => {
        const tab = await Tab.open(browser, { base: bases.file, expected });
        await emulate(tab, 'light');
        for (const path of expected.trees ?? []) report.trees[path] = await treeOf(tab, path);
        await tab.page.close();
    });
    return jobs;
}

/** Returns the size of a page, and of all that it loads, in bytes. */
async function sizes(path, requested) {
    const size = async (one) =>
        (await stat(join(root, decodeURIComponent(one))).catch(() => ({ size: 0 }))).size;
    let loaded = 0;
    for (const one of requested) loaded += await size(one);
    return { bytes: await size(path), bytes_loaded: loaded, requests: requested.length };
}

/** Runs jobs, two at a time. */
async function runAll(jobs) {
    const next = async () => {
        for (let job = jobs.shift(); job; job = jobs.shift()) await job();
    };
    await Promise.all([next(), next()]);
}

async function main() {
    const began = Date.now();
    const expected = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
    const files = await filesBelow(root);
    for (const path of [...expected.pages, ...(expected.trees ?? [])]) {
        if (!files.includes(path)) throw new Error(`${path} is to be visited and is not in ${root}`);
    }
    const server = await serve(root);
    const bases = { file: fileBase(root), http: server.base };
    const browser = await chromium();
    try {
        const blank = await browser.newPage();
        const timed = async (part, check) => {
            const began = Date.now();
            await check();
            report.took(part, began);
        };
        await timed('links', () => checkLinks(root, files, blank, expected, report));
        await blank.close();
        await timed('markup', () => checkMarkup(root, files, expected, report));
        await runAll(jobs(browser, bases, expected));
        const pages = expected.firefox ?? expected.pages;
        if (which('firefox-esr'))
            await timed('firefox', () => checkFirefox(bases, pages, expected.now, report));
        else report.skipped.push('firefox-esr is not installed');
    } finally {
        await browser.close();
        server.stop();
    }
    const violations = report.violations();
    for (const { rule, page, where, what } of violations) {
        const more = where.length > 3 ? ` and ${where.length - 3} more views` : '';
        const views = where.length > 0 ? ` (${where.slice(0, 3).join(', ')}${more})` : '';
        process.stderr.write(`${rule}: ${page}: ${what}${views}\n`);
    }
    const { figures, trees, checked, skipped } = report;
    const ms = { ...report.ms, all: Date.now() - began };
    process.stdout.write(
        `${JSON.stringify({ violations, figures, trees, checked, skipped, ms }, null, 1)}\n`,
    );
    process.exitCode = violations.length > 0 ? 1 : 0;
}

if (!root || !file) {
    process.stderr.write('usage: tests/browser/run check.mjs SITE EXPECTED\n');
    process.exitCode = 2;
} else {
    main().catch((error) => {
        process.stderr.write(`check.mjs: ${error.stack}\n`);
        process.exitCode = 2;
    });
}
