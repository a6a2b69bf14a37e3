// Visits of a page in Chromium: the browser's messages about the page, and its layout.

import { address } from './site.mjs';

/** A4 between margins of 1 cm, in CSS pixels. */
const PAPER = { width: 718, height: 1047 };

/** The widths of a phone, a tablet and a desk. */
export const WIDTHS = [360, 768, 1440];

const HEIGHTS = { 360: 740, 768: 1024, 1440: 900 };

/** Returns the viewport of a width. The narrowest is a phone's, where a page without a viewport is 980 wide. */
export const viewport = (width) => ({
    width,
    height: HEIGHTS[width],
    deviceScaleFactor: 1,
    isMobile: width === 360,
    hasTouch: width === 360,
});

const feature = (name, value) => ({ name, value });
const LIGHT = feature('prefers-color-scheme', 'light');
const DARK = feature('prefers-color-scheme', 'dark');

/** The media that a page is laid out for. Forced colours are those of a high-contrast theme. */
export const MEDIA = {
    light: { media: 'screen', features: [LIGHT] },
    dark: { media: 'screen', features: [DARK] },
    forced: {
        media: 'screen',
        features: [DARK, feature('forced-colors', 'active'), feature('prefers-contrast', 'more')],
    },
    print: { media: 'print', features: [LIGHT] },
};

/** Emulates a medium. Puppeteer's own function knows no forced colours. */
export async function emulate(tab, medium) {
    await tab.client.send('Emulation.setEmulatedMedia', MEDIA[medium]);
}

/** Runs in the page before its own scripts: a clock that stands at a given time, and a list of violations. */
export function prepare(now) {
    globalThis.nfkitViolations = [];
    document.addEventListener('securitypolicyviolation', (event) => {
        globalThis.nfkitViolations.push(`${event.effectiveDirective} blocks ${event.blockedURI}`);
    });
    if (now) {
        const began = performance.now();
        const clock = () => Date.parse(now) + Math.floor(performance.now() - began);
        const RealDate = Date;
        globalThis.Date = class extends RealDate {
            constructor(...args) {
                super(...(args.length === 0 ? [clock()] : args));
            }
            static now() {
                return clock();
            }
        };
    }
}

/** A tab of the browser, which keeps the messages about the page that it visits. */
export class Tab {
    said = [];
    requested = new Set();

    static async open(browser, { base, expected, width = 1440, script = true, bypass = false }) {
        const tab = new Tab();
        tab.page = await browser.newPage();
        tab.base = base;
        tab.page.setDefaultTimeout(60_000);
        tab.client = await tab.page.createCDPSession();
        await tab.page.setViewport(viewport(width));
        if (!script) await tab.page.setJavaScriptEnabled(false);
        if (bypass) await tab.page.setBypassCSP(true);
        await tab.page.evaluateOnNewDocument(prepare, expected.now ?? null);
        // As if the tab were in front, so that it has the focus and all media apply at once.
        await tab.client.send('Emulation.setFocusEmulationEnabled', { enabled: true });
        await tab.#listen();
        return tab;
    }

    async #listen() {
        const { client, page } = this;
        const say = (rule, what) => this.said.push({ rule, what: what.replaceAll(this.base, '') });
        client.on('Runtime.consoleAPICalled', ({ type, args }) => {
            const text = args.map((arg) => arg.value ?? arg.description ?? '').join(' ');
            if (['error', 'warning', 'assert'].includes(type)) say('console', `console.${type}: ${text}`);
        });
        client.on('Runtime.exceptionThrown', ({ exceptionDetails: { text, exception } }) => {
            say('error', `${text} ${exception?.description ?? ''}`.split('\n')[0]);
        });
        client.on('Log.entryAdded', ({ entry: { source, level, text } }) => {
            // Requests and the policy have rules of their own.
            if (source === 'network' || source === 'security') return;
            if (level === 'error' || level === 'warning') say('console', `${source}: ${text}`);
        });
        client.on('Audits.issueAdded', ({ issue: { code, details } }) => {
            const csp = details.contentSecurityPolicyIssueDetails;
            if (code !== 'ContentSecurityPolicyIssue' || !csp) return;
            // As the page's own event says it: inline for kInlineViolation.
            const kind = csp.contentSecurityPolicyViolationType
                .replace(/^k(.*)Violation$/, '$1')
                .toLowerCase();
            say('csp', `${csp.violatedDirective} blocks ${csp.blockedURL ?? kind}`);
        });
        for (const domain of ['Runtime', 'Log', 'Audits']) await client.send(`${domain}.enable`);
        page.on('request', (request) => {
            const url = request.url();
            if (/^(data|blob|about):/.test(url)) return;
            if (!url.startsWith(this.base))
                say('foreign', `a ${request.resourceType()} is requested from ${url}`);
            else this.requested.add(url.slice(this.base.length).split(/[?#]/)[0]);
        });
        page.on('requestfailed', (request) => {
            const url = request.url();
            const why = request.failure()?.errorText;
            // The policy's doing comes without a text.
            if (!why || why.includes('CSP')) say('csp', `blocks ${url}`);
            else if (url.startsWith(this.base)) say('request', `${url}: ${why}`);
        });
        page.on('response', (response) => {
            const url = response.url();
            // A browser asks by itself for an icon.
            if (url === `${this.base}favicon.ico`) return;
            if (url.startsWith(this.base) && response.status() >= 400)
                say('request', `${url}: status ${response.status()}`);
        });
    }

    /** Opens a page of the site. */
    async goto(path) {
        this.said = [];
        this.requested = new Set();
        this.path = path;
        await this.page.goto(address(this.base, path), { waitUntil: 'load' });
    }

    /** Waits until the page is quiet, and hands the browser's messages to the report. */
    async tell(report, where) {
        await this.page.waitForNetworkIdle({ idleTime: 50, timeout: 5_000 }).catch(() => {});
        const seen = await this.page.evaluate('globalThis.nfkitViolations ?? []');
        for (const what of seen) this.said.push({ rule: 'csp', what: what.replaceAll(this.base, '') });
        for (const { rule, what } of this.said) report.violation(rule, this.path, where, what);
        this.said = [];
    }
}

/** Runs in the page: returns its width and height, how far it reaches sideways, and the elements that do. */
function measure() {
    const root = document.documentElement;
    const width = root.clientWidth;
    const reach = Math.max(root.scrollWidth, document.body?.scrollWidth ?? 0);
    const name = (element) => {
        const id = element.id ? `#${element.id}` : '';
        const classes = [...element.classList].map((one) => `.${one}`).join('');
        return `<${element.localName}${id}${classes}>`;
    };
    let wide = [];
    if (reach > width) {
        const isInScroller = (element) => {
            const above = element.parentElement;
            return Boolean(above) && (getComputedStyle(above).overflowX !== 'visible' || isInScroller(above));
        };
        wide = [...document.querySelectorAll('body *')].filter(
            (element) =>
                element.getBoundingClientRect().right + scrollX > width + 0.5 && !isInScroller(element),
        );
        wide = wide.filter((element) => !wide.some((other) => other !== element && element.contains(other)));
    }
    const heading = document.querySelector('h1');
    const isShown = heading?.checkVisibility({ visibilityProperty: true, opacityProperty: true }) ?? false;
    return {
        width,
        reach,
        height: Math.round(root.getBoundingClientRect().height),
        wide: wide.slice(0, 3).map(name),
        isShown: isShown && heading.getBoundingClientRect().height > 0,
        elements: document.querySelectorAll('*').length,
    };
}

/** Checks the layout of the open page as it is. */
async function checkLayout(tab, wanted, where, report) {
    const found = await tab.page.evaluate(measure);
    report.count('layouts');
    if (Math.abs(found.width - wanted) > 20) {
        report.violation(
            'viewport',
            tab.path,
            where,
            `the page is ${found.width} px wide on a screen of ${wanted} px`,
        );
    } else if (found.reach > found.width) {
        const culprits = found.wide.join(', ') || 'unknown';
        const what = `the document scrolls sideways: ${culprits} beyond its right edge`;
        report.violation('scroll', tab.path, where, what);
    }
    if (!found.isShown) report.violation('heading', tab.path, where, 'no h1 is shown');
    return found;
}

/** Visits a page at one width, with or without scripts, and lays it out for all media. */
export async function checkVisit(tab, width, path, where, report) {
    await tab.goto(path);
    const measured = {};
    for (const medium of ['light', 'dark', 'forced']) {
        await emulate(tab, medium);
        const found = await checkLayout(tab, width, `${where} ${width} ${medium}`, report);
        if (medium === 'light') Object.assign(measured, { height: found.height, elements: found.elements });
    }
    await emulate(tab, 'light');
    if (width > 360) {
        // A browser's zoom of 200 % halves the width in CSS pixels, which media queries see, and doubles the pixels
        // of each. That is what is set here; deviceScaleFactor alone would change no layout.
        const { height, ...rest } = viewport(width);
        const half = { ...rest, width: width / 2, height: height / 2, deviceScaleFactor: 2 };
        await tab.page.setViewport(half);
        await checkLayout(tab, half.width, `${where} ${width} zoom 200 %`, report);
    }
    if (width === 1440) {
        await tab.page.setViewport({ ...viewport(width), ...PAPER });
        await emulate(tab, 'print');
        await checkLayout(tab, PAPER.width, `${where} print`, report);
        await emulate(tab, 'light');
    }
    if (width > 360) await tab.page.setViewport(viewport(width));
    await tab.tell(report, `${where} ${width}`);
    return { ...measured, requested: [...tab.requested] };
}

/** Prints the open page, and returns how many sheets it takes. */
export async function print(tab, where, report) {
    const pdf = Buffer.from(
        await tab.page.pdf({
            format: 'A4',
            margin: { top: '1cm', bottom: '1cm', left: '1cm', right: '1cm' },
        }),
    );
    const sheets = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    report.count('printed');
    if (sheets === 0) report.violation('print', tab.path, where, 'the page prints on no sheet');
    await tab.tell(report, `${where} print`);
    return sheets;
}
