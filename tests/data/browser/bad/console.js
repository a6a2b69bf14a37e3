console.error('broken');
