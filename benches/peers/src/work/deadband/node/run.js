// The samples come as JSON; the arguments are the path of rbe.js (empty: a plain loop) and the gap.
const [path, gap] = process.argv.slice(1);
const values = JSON.parse(require("fs").readFileSync(0, "utf8"));
let sent = 0;

function plainLoop() {
    let last = Infinity;
    const width = Number(gap);
    return () => {
        for (let i = 0; i < values.length; i++) {
            const value = values[i];
            if (Math.abs(value - last) > width) {
                last = value;
                sent++;
            }
        }
    };
}

function nodeRed() {
    // What the node asks of its runtime, at no cost.
    const RED = {
        nodes: {
            createNode: node => {
                node.on = (event, handler) => { node.handler = handler; };
                node.send = () => { sent++; };
                node.warn = () => {};
            },
            registerType: (name, type) => { RED.type = type; },
        },
        util: { getMessageProperty: (message, name) => message[name], cloneMessage: value => value },
        _: text => text,
    };
    require(require("path").resolve(path))(RED);
    const node = new RED.type({ func: "deadband", gap, septopics: true });
    const messages = values.map(value => ({ topic: "tag", payload: value }));
    return () => {
        for (const message of messages) node.handler(message);
    };
}

const round = path ? nodeRed() : plainLoop();
const took = () => {
    const begin = process.hrtime.bigint();
    round();
    return Number(process.hrtime.bigint() - begin) / values.length;
};
const times = [];
for (let warm = 0; warm < 100; warm++) round();
for (let spent = 0; spent < 5e8;) {
    const time = took();
    spent += time * values.length;
    times.push(time);
}
times.sort((a, b) => a - b);
if (sent === 0) process.exit(1);
console.log(times[Math.floor(times.length / 2)]);
