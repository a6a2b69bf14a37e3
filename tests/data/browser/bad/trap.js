document.querySelector('#trap').addEventListener('keydown', (event) => event.key === 'Tab' && event.preventDefault());
