// Runs sharp on requests from the standard input: a line of JSON, then the bytes of an image.
// Answers on the standard output: a line of JSON with width and height, then RGB.
const sharp = require("sharp");

sharp.cache(false);
sharp.concurrency(1);
process.stdout.write(`${sharp.versions.sharp} (libvips ${sharp.versions.vips})\n`);

let pending = Buffer.alloc(0);
let work = Promise.resolve();

async function answer({ resize, raw }, data) {
    const image = sharp(data, raw ? { raw } : {});
    const resized = resize ? image.resize(resize) : image;
    const { data: pixels, info } = await resized.removeAlpha().raw().toBuffer({ resolveWithObject: true });
    process.stdout.write(JSON.stringify({ width: info.width, height: info.height }) + "\n");
    process.stdout.write(pixels);
}

process.stdin.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (let end = pending.indexOf("\n"); end >= 0; end = pending.indexOf("\n")) {
        const request = JSON.parse(pending.subarray(0, end).toString());
        if (pending.length < end + 1 + request.bytes) return;
        const data = pending.subarray(end + 1, end + 1 + request.bytes);
        pending = pending.subarray(end + 1 + request.bytes);
        work = work.then(() => answer(request, data));
    }
});
