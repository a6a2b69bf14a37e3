// The pages in Firefox, a second opinion: its console, and no sideways scroll.
import { firefox } from './browsers.mjs';
import { address } from './site.mjs';
import { prepare } from './visit.mjs';

/** Visits pages over each base, narrow and wide. */
export async function checkFirefox(bases, pages, now, report) {
    const browser = await firefox('light');
    try {
        const tab = await browser.newPage();
        await tab.evaluateOnNewDocument(prepare, now ?? null);
        let said = [];
        tab.on('console', (message) => {
            if (['error', 'warn', 'warning'].includes(message.type())) said.push(['console', message.text()]);
        });
        // Firefox reports here, too, what the policy blocks.
        tab.on('pageerror', (error) => {
            said.push([error.message.startsWith('Content-Security-Policy') ? 'csp' : 'error', error.message]);
        });
        for (const width of [360, 1440]) {
            await tab.setViewport({ width, height: 800 });
            for (const [scheme, base] of Object.entries(bases)) {
                for (const path of pages) {
                    said = [];
                    const where = `firefox ${scheme} ${width}`;
                    await tab.goto(address(base, path), { waitUntil: 'load' });
                    const isWide = await tab.evaluate(() => {
                        const root = document.documentElement;
                        return root.scrollWidth > root.clientWidth;
                    });
                    report.count('firefox');
                    if (isWide) report.violation('scroll', path, where, 'the document scrolls sideways');
                    for (const [rule, what] of said)
                        report.violation(rule, path, where, what.replaceAll(base, ''));
                }
            }
        }
    } finally {
        await browser.close();
    }
}
