document.querySelector('#button').addEventListener('click', () => {
    document.title = 'pressed';
});
