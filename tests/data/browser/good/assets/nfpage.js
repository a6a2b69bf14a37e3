'use strict';
// Adds buttons that sort the table, and says how old the page is.
for (const head of document.querySelectorAll('th[data-sort]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('click', () => {
        const body = head.closest('table').tBodies[0];
        const isUp = head.getAttribute('aria-sort') !== 'ascending';
        const rows = [...body.rows].sort((a, b) => Number(a.cells[head.cellIndex].textContent) - Number(b.cells[head.cellIndex].textContent));
        body.append(...(isUp ? rows : rows.reverse()));
        head.setAttribute('aria-sort', isUp ? 'ascending' : 'descending');
    });
}
const age = document.querySelector('#age');
if (age) {
    const minutes = Math.floor((Date.now() - Date.parse(age.dataset.until)) / 60000);
    age.textContent = `This page is ${minutes} minutes old.`;
}
