// The samples come as JSON; the arguments are the path of rbe.js (empty: a plain loop) and the gap. Prints which of
// the samples pass in the first round, and then the median round, in nanoseconds a sample.
const [path, gap] = process.argv.slice(1);
const values = JSON.parse(require("fs").readFileSync(0, "utf8"));
let sent = 0;

function plainLoop() {
    let last = Infinity;
    const width = Number(gap);
    return (from, to) => {
        for (let i = from; i < to; i++) {
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
    return (from, to) => {
        for (let i = from; i < to; i++) node.handler(messages[i]);
    };
}

const round = path ? nodeRed() : plainLoop();
const passes = values.map((_, i) => {
    const before = sent;
    round(i, i + 1);
    return sent > before ? "x" : ".";
});
console.log(passes.join(""));
// Processor time, as of ours: of this thread where node tells it.
const spentBy = process.threadCpuUsage ?? process.cpuUsage;
const clock = () => {
    const { user, system } = spentBy.call(process);
    return (user + system) * 1e3;
};
const took = () => {
    const begin = clock();
    round(0, values.length);
    return (clock() - begin) / values.length;
};
const times = [];
for (let warm = 0; warm < 100; warm++) round(0, values.length);
for (let spent = 0; spent < 5e8;) {
    const time = took();
    spent += time * values.length;
    times.push(time);
}
times.sort((a, b) => a - b);
console.log(times[Math.floor(times.length / 2)]);
