// UnitBuilder: divides the files of an image folder into import units. A unit may have files of
// several classes, and a large class is divided into several units. Reading a unit lists the
// folders of its classes again, so a class is divided into about 64 units at most.

/// Collects the units of an image folder.
struct UnitBuilder {
    /// The digest of the class indices and paths of a unit's files.
    struct Digest {
        private var digest = NameDigest()

        /// Adds a file. Paths contain no NUL bytes, so different lists of files are different
        /// sequences of bytes.
        mutating func add(classIndex: Int, _ path: ByteName) {
            digest.add(UInt64(classIndex))
            digest.add(path.bytes)
            digest.add(CollectionOfOne(0))
        }

        /// The digest of the files added.
        var value: UInt64 { digest.value }
    }

    /// The finished units.
    private(set) var units: [ImportUnit] = []
    private let most: Int
    private var part: DatasetPart?
    private var classIndex = 0
    /// The number of files of the current class added so far.
    private var place = 0
    private var limit: Int
    private var digest = Digest()
    private var count = 0
    private var first = (classIndex: 0, skipped: 0)
    private var last = 0

    /// Makes units of about `most` files.
    init(most: Int) {
        self.most = max(1, most)
        limit = self.most
    }

    /// Begins a class of `files` files: the files added next belong to this part and class.
    mutating func begin(part: DatasetPart?, class index: Int, files: Int) {
        self.part = part
        classIndex = index
        place = 0
        limit = max(most, files / 64)
        if count >= limit { finish() }
    }

    /// Adds the next file of the class.
    mutating func add(_ path: ByteName) {
        if count == 0 { first = (classIndex, place) }
        digest.add(classIndex: classIndex, path)
        last = classIndex
        count += 1
        place += 1
        if count >= limit { finish() }
    }

    /// Ends the current unit; the next file begins another unit.
    mutating func finish() {
        guard count > 0 else { return }
        units.append(
            ImportUnit(
                index: units.count, count: count,
                content: .files(
                    ImportUnit.FileRun(
                        part: part, firstClass: first.classIndex, skipped: first.skipped,
                        lastClass: last, digest: digest.value))))
        digest = Digest()
        count = 0
    }
}
