// Takes pictures of pages of a site, as README shows them.
//
// Usage: tests/browser/run screenshots.mjs [--now TIME] SITE OUT [PAGE...]
// Writes OUT/PAGE-WIDTH-SCHEME.png by Chromium, and OUT/PAGE-WIDTH-SCHEME-firefox.png if there is Firefox, for
// 360 and 1440 px, light and dark, by Chromium also in forced colours; PAGE is index.html by default. Prints the
// size of each, and to standard error the console of both browsers. Status 1 if a picture is above 150 kB.
import { spawnSync } from 'node:child_process';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, firefox, which } from './browsers.mjs';
import { address, fileBase } from './site.mjs';
import { Tab, emulate, prepare, viewport } from './visit.mjs';

/** The largest picture that README may have, in bytes. */
const MOST = 150_000;

/** The tallest part of a page that is pictured, in CSS pixels. */
const TALLEST = { 360: 1600, 1440: 1200 };

const WIDTHS = [360, 1440];
const SCHEMES = ['light', 'dark'];

/** Writes a picture of the open page, from its top, and tells its size. */
async function picture(page, width, file) {
    const height = await page.evaluate(() =>
        Math.ceil(document.documentElement.getBoundingClientRect().height),
    );
    const clip = { x: 0, y: 0, width, height: Math.max(1, Math.min(height, TALLEST[width])) };
    await page.screenshot({ path: file, clip, captureBeyondViewport: true });
    let { size } = await stat(file);
    if (size > MOST && which('pngquant')) {
        spawnSync('pngquant', ['--force', '--skip-if-larger', '--output', file, '256', file]);
        ({ size } = await stat(file));
    }
    const isTooLarge = size > MOST;
    process.stdout.write(`${file}: ${size} bytes${isTooLarge ? `, above ${MOST}; install pngquant` : ''}\n`);
    if (isTooLarge) process.exitCode = 1;
}

async function inChromium(base, pages, name, now) {
    const browser = await chromium();
    try {
        for (const width of WIDTHS) {
            const tab = await Tab.open(browser, { base, expected: { now }, width });
            for (const path of pages) {
                for (const scheme of [...SCHEMES, 'forced']) {
                    await emulate(tab, scheme);
                    await tab.goto(path);
                    await picture(tab.page, width, name(path, width, scheme));
                    for (const { rule, what } of tab.said)
                        process.stderr.write(`${path}: ${rule}: ${what}\n`);
                }
            }
            await tab.page.close();
        }
    } finally {
        await browser.close();
    }
}

async function inFirefox(base, pages, name, now) {
    for (const scheme of SCHEMES) {
        const browser = await firefox(scheme);
        try {
            const page = await browser.newPage();
            await page.evaluateOnNewDocument(prepare, now ?? null);
            page.on('console', (message) =>
                process.stderr.write(`firefox: ${message.type()}: ${message.text()}\n`),
            );
            page.on('pageerror', (error) => process.stderr.write(`firefox: ${error.message}\n`));
            for (const width of WIDTHS) {
                const { height } = viewport(width);
                await page.setViewport({ width, height });
                for (const path of pages) {
                    await page.goto(address(base, path), { waitUntil: 'load' });
                    await picture(page, width, name(path, width, `${scheme}-firefox`));
                }
            }
        } finally {
            await browser.close();
        }
    }
}

const { values, positionals } = parseArgs({ options: { now: { type: 'string' } }, allowPositionals: true });
const [site, out, ...named] = positionals;
if (!out) {
    process.stderr.write('usage: scripts/screenshots [--now TIME] SITE OUT [PAGE...]\n');
    process.exit(2);
}
const pages = named.length > 0 ? named : ['index.html'];
const name = (path, width, rest) =>
    join(out, `${path.replace(/\.html$/, '').replaceAll('/', '-')}-${width}-${rest}.png`);
await mkdir(out, { recursive: true });
await inChromium(fileBase(site), pages, name, values.now);
if (which('firefox-esr')) await inFirefox(fileBase(site), pages, name, values.now);
else process.stderr.write('screenshots: firefox-esr is not installed; no pictures by Firefox\n');
