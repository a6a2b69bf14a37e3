fetch('https://peer.example/').catch(() => {});
