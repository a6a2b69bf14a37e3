if (location.protocol === 'file:') console.error('broken');
