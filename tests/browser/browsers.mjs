// The browsers of Debian.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import puppeteer from 'puppeteer-core';

/** Returns the path of a program, or undefined. */
export function which(program) {
    const paths = (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, program));
    return paths.find((path) => {
        try {
            accessSync(path, constants.X_OK);
            return true;
        } catch {
            return false;
        }
    });
}

/** Starts Chromium, with scroll bars as on a desk. No name but the test's own server is ever resolved. */
export function chromium() {
    const args = ['--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'];
    // Chromium's sandbox refuses to run as root.
    if (process.getuid() === 0) args.push('--no-sandbox');
    return puppeteer.launch({
        executablePath: which('chromium'),
        // A machine that builds meanwhile is slow.
        timeout: 120_000,
        args,
        ignoreDefaultArgs: ['--hide-scrollbars'],
    });
}

/** Starts Firefox, whose pages prefer a colour scheme: light or dark. */
export function firefox(scheme) {
    return puppeteer.launch({
        browser: 'firefox',
        executablePath: which('firefox-esr'),
        timeout: 120_000,
        extraPrefsFirefox: {
            'layout.css.prefers-color-scheme.content-override': scheme === 'dark' ? 0 : 1,
            'network.dns.disabled': true,
        },
    });
}
