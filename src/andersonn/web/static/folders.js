// Files of folders: which of them are structures.

const PACKED = /\.(gz|bz2|xz)$/i;
const TABLES = ["csv", "tsv", "tab", "xlsx", "parquet", "table"];

/** The structure files among those of a folder, without tables, which beside structures tell about them; and how many are left out. */
export function structureFiles(files, endings) {
  const fits = ({ name }) => {
    const bare = name.replace(PACKED, "");
    const ending = bare.includes(".") ? bare.split(".").at(-1).toLowerCase() : "";
    return !name.startsWith(".") && ((endings.includes(ending) && !TABLES.includes(ending)) || /^(POSCAR|CONTCAR)/i.test(name));
  };
  const found = files.filter(fits);
  return { files: found, leftOut: files.length - found.length };
}

/** What was dropped: files as they are, those of folders as structureFiles tells them. */
export async function dropped(transfer, endings) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return { files: [...transfer.files], leftOut: 0 };
  const alone = await Promise.all(entries.filter((entry) => entry.isFile).map(fileOf));
  const inside = [];
  for (const entry of entries.filter((found) => found.isDirectory)) inside.push(...await filesIn(entry));
  const { files, leftOut } = structureFiles(inside, endings);
  return { files: [...alone, ...files], leftOut };
}

const fileOf = (entry) => new Promise((resolve, reject) => { entry.file(resolve, reject); });

async function filesIn(folder) {
  const [reader, found] = [folder.createReader(), []];
  for (;;) { // a reader gives a hundred at a time
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return found;
    for (const entry of some.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isFile) found.push(await fileOf(entry));
      else if (!entry.name.startsWith(".")) found.push(...await filesIn(entry));
    }
  }
}
