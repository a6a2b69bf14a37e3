new Image().src = 'none.png';
