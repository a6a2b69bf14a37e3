// html-validate over all pages.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Returns html-validate of the newest version that runs on this node: 10 needs 20.19, 9 runs on 18. */
async function validator() {
    const [major, minor] = process.versions.node.split('.').map(Number);
    const isNew = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
    return isNew ? import('html-validate') : import('html-validate-9');
}

/** Returns at most `most` pages, spread evenly over all. */
function sample(pages, most) {
    if (pages.length <= most) return pages;
    return Array.from({ length: most }, (_, index) => pages[Math.floor((index * pages.length) / most)]);
}

/**
 * Checks the markup of the pages by `.htmlvalidate.json`: of all, or of at most so many and those named. An id may
 * be an address, so that only what HTML itself forbids in one is forbidden.
 */
export async function checkMarkup(root, files, { pages, markup = Infinity }, report) {
    const { HtmlValidate, StaticConfigLoader } = await validator();
    const config = JSON.parse(await readFile(new URL('.htmlvalidate.json', import.meta.url), 'utf8'));
    const html = new HtmlValidate(new StaticConfigLoader(config));
    const all = files.filter((path) => path.endsWith('.html'));
    for (const path of new Set([...sample(all, markup), ...pages])) {
        report.count('validated');
        const { results } = await html.validateFile(join(root, path));
        for (const { messages } of results) {
            for (const { ruleId, message, line, column } of messages) {
                report.violation(
                    'markup',
                    path,
                    '',
                    `line ${line}, column ${column}: ${message} (${ruleId})`,
                );
            }
        }
    }
}
