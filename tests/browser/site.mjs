// A static site in a directory: its files, and a server for them.
import { readFile, readdir, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

const TYPES = {
    '.atom': 'application/atom+xml',
    '.css': 'text/css',
    '.csv': 'text/csv',
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.json': 'application/json',
    '.png': 'image/png',
    '.svg': 'image/svg+xml',
    '.txt': 'text/plain',
};

/** Returns the paths of all files below a directory, relative to it, in order. */
export async function filesBelow(root) {
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    // Node 18 calls `path` what later versions call `parentPath`.
    const paths = files.map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)));
    return paths.map((path) => path.split(sep).join('/')).sort();
}

/** Returns the URL of a directory, with a slash at its end. */
export function fileBase(root) {
    return pathToFileURL(resolve(root) + sep).href;
}

/** Returns the URL of a file of the site. */
export function address(base, path) {
    return base + path.split('/').map(encodeURIComponent).join('/');
}

/**
 * Starts a server for the files below a directory, as the plainest web server would be: no header but the
 * type, and `index.html` for a directory. Returns its URL and a function that stops it.
 */
export async function serve(root) {
    const base = resolve(root) + sep;
    const server = createServer(async (request, response) => {
        try {
            const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
            let file = resolve(base, `.${path}`);
            if (!(file + sep).startsWith(base)) throw new Error('outside');
            if ((await stat(file)).isDirectory()) file = join(file, 'index.html');
            const bytes = await readFile(file);
            response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' });
            response.end(bytes);
        } catch {
            response.writeHead(404, { 'Content-Type': 'text/plain' });
            response.end('not found\n');
        }
    });
    await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
    const stop = () => {
        server.close();
        server.closeAllConnections();
    };
    return { base: `http://127.0.0.1:${server.address().port}/`, stop };
}
