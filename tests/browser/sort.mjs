// Prints a column of a page's list, a cell a line, after a click on its heading.
//
// Usage: tests/browser/run sort.mjs SITE PAGE COLUMN
import { chromium } from './browsers.mjs';
import { fileBase } from './site.mjs';
import { Tab } from './visit.mjs';

const [site, path, column] = process.argv.slice(2);
const browser = await chromium();
try {
    const tab = await Tab.open(browser, { base: fileBase(site), expected: {}, width: 1440 });
    await tab.goto(path);
    const cells = await tab.page.evaluate((nth) => {
        const list = document.querySelector('table[data-list]');
        list.tHead.rows[0].cells[nth].querySelector('button').click();
        return [...list.tBodies[0].rows].map((row) => row.cells[nth].textContent);
    }, Number(column));
    process.stdout.write(cells.map((cell) => `${cell}\n`).join(''));
} finally {
    await browser.close();
}
