if (CSS.supports('-moz-appearance', 'none')) console.error('broken');
