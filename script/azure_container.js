// node script/azure_container.js PORT ACCOUNT KEY CONTAINER: makes a container in the Azurite of that port on loopback, once it
// answers. Signed by hand, as a client library would be one more thing to install.
const { createHmac } = require('node:crypto');
const { request } = require('node:http');

const [port, account, key, container] = process.argv.slice(2);
const TRIES_MAX = 300;
const WAIT_MS = 100;

// Each header that a signature covers, in Azure's order: all are empty but those of Azure.
function signed(headers) {
    const named = Object.keys(headers).sort().map((name) => `${name}:${headers[name]}\n`).join('');
    const resource = `/${account}/${account}/${container}\nrestype:container`;
    const text = `PUT\n${'\n'.repeat(11)}${named}${resource}`;
    const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
    return { ...headers, authorization: `SharedKey ${account}:${signature}`, 'content-length': 0 };
}

function attempt(left) {
    const headers = signed({ 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-08-06' });
    const path = `/${account}/${container}?restype=container`;
    const again = (why) => {
        if (left > 1) return setTimeout(() => attempt(left - 1), WAIT_MS);
        console.error(why);
        process.exitCode = 1;
    };
    const sent = request({ host: '127.0.0.1', port, method: 'PUT', path, headers }, (answer) => {
        answer.resume();
        // 409: it was there before.
        if (![201, 409].includes(answer.statusCode)) again(`the server answered ${answer.statusCode}`);
    });
    sent.on('error', (error) => again(error.message));
    sent.end();
}

attempt(TRIES_MAX);
