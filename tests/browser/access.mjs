// Accessibility: axe-core's rules, and the accessibility tree as text.
import { createRequire } from 'node:module';
import { emulate, viewport } from './visit.mjs';

const { source: AXE } = createRequire(import.meta.url)('axe-core');

/** WCAG 2.2, levels A and AA. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'];

/** Runs axe-core over a page, narrow and wide, light and dark. Returns how many things it could not judge. */
export async function checkAxe(tab, path, where, report) {
    await tab.goto(path);
    await tab.page.evaluate(AXE);
    let undecided = 0;
    for (const width of [1440, 360]) {
        // Not a phone's viewport, as a switch to one would load the page anew.
        await tab.page.setViewport({ ...viewport(width), isMobile: false, hasTouch: false });
        for (const medium of ['light', 'dark']) {
            await emulate(tab, medium);
            const options = {
                runOnly: { type: 'tag', values: TAGS },
                resultTypes: ['violations', 'incomplete'],
            };
            const found = await tab.page.evaluate(async (options) => {
                const { violations, incomplete, passes } = await globalThis.axe.run(document, options);
                const brief = violations.flatMap(({ id, help, nodes }) =>
                    nodes.map(({ target, any, all, none }) => {
                        const why = [...any, ...all, ...none][0]?.message ?? '';
                        return `${id}: ${help}: ${target.join(' ')}: ${why}`;
                    }),
                );
                return {
                    brief,
                    undecided: incomplete.reduce((sum, { nodes }) => sum + nodes.length, 0),
                    passes: passes.length,
                };
            }, options);
            report.count('axe');
            undecided = Math.max(undecided, found.undecided);
            if (found.passes === 0) report.violation('axe', path, where, 'no rule of axe-core applies');
            for (const what of found.brief)
                report.violation('axe', path, `${where} ${width} ${medium}`, what);
        }
    }
    return undecided;
}

/** The properties of a node that the text tells, in this order. */
const TOLD = [
    'level',
    'checked',
    'pressed',
    'expanded',
    'selected',
    'disabled',
    'required',
    'readonly',
    'invalid',
    'modal',
    'value',
    'valuetext',
    'description',
    'roledescription',
];

/** Roles that say nothing: their children take their place. */
const BARE = ['none', 'generic', 'LabelText', 'LayoutTableCell'];

/** The words for Chromium's own roles. */
const ROLES = { RootWebArea: 'document', StaticText: 'text', DisclosureTriangle: 'summary' };

const plain = (text) =>
    String(text ?? '')
        .replace(/\s+/g, ' ')
        .trim();

/** Returns the children of a node that say something. Chromium cuts text where its markup changes. */
function children(node) {
    const found = [];
    const add = (child) => {
        if (child.role === 'InlineTextBox' || child.role === 'LineBreak') return;
        if (BARE.includes(child.role)) (child.children ?? []).forEach(add);
        else if (child.role !== 'StaticText') found.push(child);
        else if (plain(child.name) !== '') {
            const last = found.at(-1);
            if (last?.role === 'StaticText') last.name += ` ${child.name}`;
            else found.push({ role: child.role, name: child.name });
        }
    };
    (node.children ?? []).forEach(add);
    return found;
}

/** Returns a tree as lines: role, name, and the properties of TOLD. Text that only repeats a name is left out. */
function lines(node, depth) {
    const words = [ROLES[node.role] ?? node.role.toLowerCase()];
    const below = children(node);
    const isText = below.length === 1 && below[0].role === 'StaticText';
    const name = plain(node.name) || (isText ? plain(below[0].name) : '');
    if (name) words.push(JSON.stringify(name));
    for (const key of TOLD) {
        const value = node[key];
        if (value === true) words.push(key);
        else if (typeof value === 'number') words.push(`${key}=${value}`);
        else if (value) words.push(`${key}=${JSON.stringify(plain(value))}`);
    }
    const rest =
        isText && plain(below[0].name) === name ? [] : below.flatMap((child) => lines(child, depth + 1));
    return ['  '.repeat(depth) + words.join(' '), ...rest];
}

/** Returns the accessibility tree of a page as text. */
export async function treeOf(tab, path) {
    await tab.goto(path);
    const tree = await tab.page.accessibility.snapshot({ interestingOnly: false });
    return `${lines(tree, 0).join('\n')}\n`;
}
