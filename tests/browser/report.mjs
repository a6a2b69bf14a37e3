// The results of the checks.

/** The number of violations of one rule that are told one by one. */
const MOST = 100;

export class Report {
    #violations = new Map();
    #more = new Map();
    #told = new Map();
    figures = {};
    trees = {};
    skipped = [];
    checked = {};
    ms = {};

    /** Adds a violation. The same fault in several views of a page is one, with several places. */
    violation(rule, page, where, what) {
        const text = String(what).replace(/\s+/g, ' ').trim().slice(0, 400);
        const key = JSON.stringify([rule, page, text]);
        const known = this.#violations.get(key);
        if (known) {
            if (where && !known.where.includes(where)) known.where.push(where);
            return;
        }
        const count = (this.#told.get(rule) ?? 0) + 1;
        this.#told.set(rule, count);
        if (count > MOST) {
            this.#more.set(rule, count - MOST);
            return;
        }
        this.#violations.set(key, { rule, page, where: where ? [where] : [], what: text });
    }

    /** Counts something that was looked at. */
    count(what, number = 1) {
        this.checked[what] = (this.checked[what] ?? 0) + number;
    }

    /** Adds the time since `began` to what a part of the checks has taken, in milliseconds. */
    took(part, began) {
        this.ms[part] = (this.ms[part] ?? 0) + Date.now() - began;
    }

    /** Adds figures about a page. */
    measured(page, figures) {
        this.figures[page] = { ...this.figures[page], ...figures };
    }

    violations() {
        const order = (a, b) => (a.page < b.page ? -1 : a.page > b.page ? 1 : a.rule < b.rule ? -1 : 1);
        const all = [...this.#violations.values()].sort(order);
        for (const [rule, count] of this.#more) {
            all.push({ rule, page: '', where: [], what: `${count} more violations` });
        }
        return all;
    }
}
