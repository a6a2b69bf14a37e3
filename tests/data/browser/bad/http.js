if (location.protocol === 'http:') console.error('broken');
