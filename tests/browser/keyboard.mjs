// A walk through a page by keyboard alone.
import { emulate } from './visit.mjs';

/** The stops of a walk at most. */
const MOST = 3000;

/** Runs in the page before its own scripts: keeps the elements that listen for clicks. */
export function keepListeners() {
    const kept = (globalThis.nfkitClicked = []);
    const add = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (type, ...rest) {
        const listens = ['click', 'mousedown', 'pointerdown', 'touchstart'].includes(type);
        if (listens && this instanceof Element && !['html', 'body'].includes(this.localName)) kept.push(this);
        return add.call(this, type, ...rest);
    };
}

/**
 * Runs in the page: lets the walk begin and end within the document, where no other tab can get the focus. Both
 * posts are outside of the body, so that no rule of the style sheet counts them.
 */
function setPosts() {
    const [first, last] = ['first', 'last'].map((name) => {
        const post = document.createElement('span');
        // Elements with a tabindex above 0 come before all others, and so after this post.
        post.tabIndex = name === 'first' ? 1 : 0;
        Object.assign(post.style, {
            position: 'fixed',
            insetBlockStart: '0',
            width: '1px',
            height: '1px',
            outline: 'none',
        });
        post.dataset.nfkitPost = name;
        return post;
    });
    document.documentElement.prepend(first);
    document.documentElement.append(last);
    first.focus();
}

/** Runs in the page: lists the controls that a mouse can use, and how each looks without the focus. */
function list() {
    const roles = [
        'button',
        'link',
        'checkbox',
        'radio',
        'switch',
        'tab',
        'menuitem',
        'option',
        'slider',
        'textbox',
        'combobox',
    ];
    const native =
        'a[href], area[href], button, input:not([type=hidden]), select, textarea, details > summary:first-of-type';
    const acting = [
        native,
        '[onclick]',
        '[contenteditable]:not([contenteditable=false])',
        ...roles.map((role) => `[role=${role}]`),
    ].join();
    const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
    const name = (element) => {
        const id = element.id ? `#${element.id}` : '';
        const text = (
            element.labels?.[0]?.innerText ||
            element.innerText ||
            element.getAttribute('aria-label') ||
            ''
        ).trim();
        return `<${element.localName}${id}>${text.slice(0, 40)}`;
    };
    // The properties by which the focus may show, of the element or of one that a style sheet may mark instead.
    const look = (element) => {
        const style = getComputedStyle(element);
        const hidden =
            element.offsetWidth + element.offsetHeight <= 4 ||
            Number(style.opacity) < 0.1 ||
            /inset\((50|100)%/.test(style.clipPath);
        const isClear = /^(transparent|rgba\(.*, 0\))$/.test(style.outlineColor);
        const outline =
            style.outlineStyle === 'none' || style.outlineWidth === '0px' || isClear ? 'none' : style.outline;
        const rest = [
            'boxShadow',
            'borderTop',
            'borderBottom',
            'borderLeft',
            'backgroundColor',
            'textDecoration',
        ];
        return hidden && element.matches('input, a, button')
            ? ''
            : [outline, ...rest.map((one) => style[one])].join('|');
    };
    const looks = (element) => {
        const others = [
            element,
            ...(element.labels ?? []),
            element.parentElement,
            element.nextElementSibling,
        ];
        return others.filter(Boolean).map(look);
    };
    const controls = [];
    const add = (element, inside) => {
        if (element.matches(':disabled') || element.closest('[inert]')) return;
        // A control that is not shown itself is still one if its label can be clicked.
        if (!isShown(element) && ![...(element.labels ?? [])].some(isShown)) return;
        controls.push({
            element,
            inside,
            group: element.type === 'radio' && element.name ? `${element.form?.id}/${element.name}` : null,
        });
    };
    const own = [...document.body.querySelectorAll(`${acting}, [tabindex]:not([tabindex^="-"])`)];
    for (const element of own) add(element, false);
    // An element that listens on behalf of the controls inside it is none itself.
    for (const element of globalThis.nfkitClicked ?? []) if (!own.includes(element)) add(element, true);
    const before = new Map(own.map((element) => [element, looks(element)]));
    globalThis.nfkitWalk = { controls, before, looks, name, stops: [] };
    return controls.length;
}

/** Runs in the page after the key: returns the element with the focus, and if the focus shows. */
function look() {
    const { before, looks, name, stops } = globalThis.nfkitWalk;
    const element = document.activeElement;
    const last = stops.at(-1);
    if (element.dataset?.nfkitPost === 'last') return { end: true };
    if (!document.body.contains(element)) return { trapped: 'the beginning of the page' };
    if (element === document.body)
        return { trapped: `the page after ${last ? name(last) : 'its beginning'}` };
    if (element === last) return { trapped: name(element) };
    if (stops.includes(element)) return { trapped: `${name(element)} again after ${name(last)}` };
    stops.push(element);
    for (const animation of document.getAnimations()) {
        // An endless one cannot be finished.
        try {
            animation.finish();
        } catch {
            animation.cancel();
        }
    }
    const after = looks(element);
    const unfocused = before.get(element);
    const isSeen = unfocused
        ? after.some((one, index) => one !== '' && one !== unfocused[index])
        : after[0].split('|')[0] !== 'none' && after[0] !== '';
    const target = after[0] === '' ? (element.labels?.[0] ?? element) : element;
    const boxes = [...target.getClientRects()];
    const points = boxes.flatMap(({ left, top, width, height }) =>
        [
            [0.5, 0.5],
            [0.1, 0.2],
            [0.9, 0.2],
            [0.1, 0.8],
            [0.9, 0.8],
        ].map(([x, y]) => [left + width * x, top + height * y]),
    );
    const hits = points.map(([x, y]) => document.elementFromPoint(x, y));
    const isOpen = hits.some((hit) => hit && (target.contains(hit) || hit.contains(target)));
    return {
        name: name(element),
        isBackwards: Boolean(
            last && !(last.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING),
        ),
        isSeen,
        covered: isOpen ? null : (hits.filter(Boolean).map(name)[0] ?? 'the edge of the window'),
    };
}

/** Runs in the page at the end: returns the controls that the walk has not met, and the groups of radio buttons. */
function conclude() {
    const { controls, name, stops } = globalThis.nfkitWalk;
    const met = new Set(stops);
    const groups = new Set(
        controls.filter(({ element, group }) => group && met.has(element)).map(({ group }) => group),
    );
    const isMet = ({ element, inside, group }) =>
        met.has(element) ||
        (group && groups.has(group)) ||
        (inside && stops.some((stop) => element.contains(stop)));
    return {
        unmet: controls.filter((control) => !isMet(control)).map(({ element }) => name(element)),
        groups: [...groups],
    };
}

/** Walks by arrow keys through a group of radio buttons. Returns those that the keys do not reach. */
async function walkGroup(page, group) {
    const members = await page.evaluate((group) => {
        const all = globalThis.nfkitWalk.controls
            .filter((control) => control.group === group)
            .map(({ element }) => element);
        globalThis.nfkitGroup = { all, met: new Set() };
        (all.find((element) => element.checked) ?? all[0]).focus();
        return all.length;
    }, group);
    for (let step = 0; step < members; step++) {
        await page.evaluate(() => globalThis.nfkitGroup.met.add(document.activeElement));
        await page.keyboard.press('ArrowDown');
    }
    return page.evaluate(() => {
        const { all, met } = globalThis.nfkitGroup;
        return all.filter((element) => !met.has(element)).map(globalThis.nfkitWalk.name);
    });
}

/** Opens a page and walks through it with the tabulator. Returns the number of stops. */
export async function checkKeyboard(tab, path, medium, where, report) {
    await tab.goto(path);
    await emulate(tab, medium);
    const { page } = tab;
    const wrong = (rule, what) => report.violation(rule, path, where, what);
    const most = Math.min(MOST, 2 * (await page.evaluate(list)) + 50);
    await page.evaluate(setPosts);
    let stops = 0;
    for (; ; stops++) {
        await page.keyboard.press('Tab');
        const found = await page.evaluate(look);
        if (found.end) break;
        if (found.trapped) {
            wrong('trap', `the tabulator does not leave ${found.trapped}`);
            break;
        }
        if (!found.isSeen) wrong('focus', `the focus does not show on ${found.name}`);
        if (found.covered) wrong('focus', `${found.name} has the focus and is covered by ${found.covered}`);
        if (found.isBackwards) wrong('order', `${found.name} comes later than in the document`);
        if (stops >= most) {
            wrong('trap', `the walk has not ended after ${stops} stops`);
            break;
        }
    }
    const { unmet, groups } = await page.evaluate(conclude);
    for (const name of unmet) wrong('keyboard', `the tabulator does not reach ${name}`);
    for (const group of groups) {
        for (const name of await walkGroup(page, group))
            wrong('keyboard', `the arrow keys do not reach ${name}`);
    }
    report.count('stops', stops);
    await emulate(tab, 'light');
    await tab.tell(report, where);
    return stops;
}
