// The links of a site: each target that a file names is there.
import { readFile } from 'node:fs/promises';
import { extname, posix } from 'node:path';

/** The files handed to the browser at once, in bytes. */
const BATCH = 4_000_000;

/**
 * Runs in the browser: parses files, which loads and runs nothing, and returns what each names and is
 * named by. Only a browser's own parser sees the links that a browser sees.
 */
function readFiles(files) {
    const urls = (element) => {
        const found = [];
        for (const { name, value } of element.attributes) {
            if (['href', 'src', 'poster', 'action', 'formaction', 'data', 'xlink:href'].includes(name)) {
                found.push(value);
            } else if (name === 'srcset') {
                found.push(...value.split(',').map((one) => one.trim().split(/\s+/)[0]));
            } else if (name === 'style') {
                found.push(...[...value.matchAll(/url\(\s*["']?(.*?)["']?\s*\)/g)].map((match) => match[1]));
            }
        }
        if (element.localName === 'meta' && /^refresh$/i.test(element.getAttribute('http-equiv') ?? '')) {
            const target = /url\s*=\s*["']?([^"']+)/i.exec(element.getAttribute('content') ?? '');
            if (target) found.push(target[1]);
        }
        return found;
    };
    return files.map(({ path, type, text }) => {
        const document = new DOMParser().parseFromString(text, type);
        const all = [...document.querySelectorAll('*')];
        const names = all.flatMap((element) => [
            element.id,
            element.localName === 'a' && element.getAttribute('name'),
        ]);
        const broken = type === 'text/html' ? null : document.querySelector('parsererror');
        return {
            path,
            ids: names.filter(Boolean),
            links: [...new Set(all.flatMap(urls))],
            broken: broken && broken.textContent,
            policy:
                document.querySelector('head > meta[http-equiv="Content-Security-Policy"]')?.content ?? null,
            isPolicyFirst: !document.querySelector(
                ':is(link, script, style) ~ meta[http-equiv="Content-Security-Policy"]',
            ),
        };
    });
}

const PARSED = {
    '.html': 'text/html',
    '.svg': 'image/svg+xml',
    '.atom': 'application/xml',
    '.xml': 'application/xml',
};

/** Returns the findings of `readFiles` in all files of a site, and the links of its style sheets. */
async function readAll(root, files, page) {
    const found = [];
    let batch = [];
    let size = 0;
    const flush = async () => {
        found.push(...(await page.evaluate(readFiles, batch)));
        batch = [];
        size = 0;
    };
    for (const path of files) {
        const type = PARSED[extname(path)];
        if (type) {
            const text = await readFile(posix.join(root, path), 'utf8');
            batch.push({ path, type, text });
            size += text.length;
            if (size > BATCH) await flush();
        } else if (path.endsWith('.css')) {
            const text = (await readFile(posix.join(root, path), 'utf8')).replace(/\/\*.*?\*\//gs, '');
            const links = [...text.matchAll(/url\(\s*["']?(.*?)["']?\s*\)|@import\s+["'](.*?)["']/g)];
            found.push({ path, ids: [], links: links.map((match) => match[1] ?? match[2]) });
        }
    }
    await flush();
    return found;
}

const decoded = (text) => {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
};

/** Returns the rule that a link of a file breaks, and the reason, or null. */
function fault(from, link, known, allowed) {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(link)?.[1].toLowerCase();
    // The policy says if data: is allowed.
    if (['mailto', 'tel', 'urn', 'data'].includes(scheme)) return null;
    if (scheme || link.startsWith('//')) {
        if (allowed.some((prefix) => link.startsWith(prefix))) return null;
        return ['foreign-link', `${link} is not in the list of allowed links`];
    }
    if (link.startsWith('/'))
        return ['link', `${link} starts with a slash, and leads elsewhere over file://`];
    const [address, fragment] = link.split(/#(.*)/s);
    const [relative] = address.split('?');
    const path = relative === '' ? from : posix.normalize(posix.join(posix.dirname(from), decoded(relative)));
    if (path.startsWith('../') || path === '..') return ['link', `${link} leads out of the site`];
    if (!known.has(path)) return ['link', `${link} is no file of the site`];
    const ids = known.get(path);
    if (!fragment || fragment === 'top' || ids === null) return null;
    if (ids.has(decoded(fragment))) return null;
    return ['anchor', `${link}: ${path} has no element with the id ${decoded(fragment)}`];
}

/** Checks the links of all files, and the policy of all pages. */
export async function checkLinks(root, files, page, expected, report) {
    const found = await readAll(root, files, page);
    // The anchors are known for parsed files alone.
    const known = new Map(files.map((path) => [path, null]));
    for (const { path, ids } of found) if (!path.endsWith('.css')) known.set(path, new Set(ids));
    for (const { path, links, broken, policy, isPolicyFirst } of found) {
        report.count('files');
        report.count('links', links.length);
        for (const link of links) {
            const wrong = fault(path, link.trim(), known, expected.allow ?? []);
            if (wrong) report.violation(wrong[0], path, '', wrong[1]);
        }
        if (broken) report.violation('markup', path, '', `not well-formed XML: ${broken}`);
        if (expected.policy && path.endsWith('.html')) {
            if (policy === null)
                report.violation('policy', path, '', 'no Content-Security-Policy in the head');
            else if (policy !== expected.policy)
                report.violation('policy', path, '', `the policy is ${policy}`);
            else if (!isPolicyFirst)
                report.violation('policy', path, '', 'something is loaded before the policy');
        }
    }
}
