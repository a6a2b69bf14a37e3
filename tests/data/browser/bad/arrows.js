document.addEventListener('keydown', (event) => event.key.startsWith('Arrow') && event.preventDefault());
