// ImageFolderSource: pictures in folders, one folder per class, below train, val and test or directly in the root.
// Classes are ordered by the bytes of their names. The classes of train also determine the class indices of val and
// test.

/// An image folder.
public struct ImageFolderSource: DatasetSource {
    /// The root folder.
    public let root: ByteName
    /// How the data set is read.
    public let options: SourceOptions

    /// The form of the data set.
    public var form: DatasetForm { .imageFolder }

    /// Takes the path and the options, and reads nothing yet.
    public init(_ root: ByteName, options: SourceOptions = SourceOptions()) {
        self.root = root
        self.options = options
    }

    /// Lists every folder once; see `DatasetSource`.
    ///
    /// Errors: `unreadable` if the root or a part's folder cannot be listed; `wrongFormat` if it is
    /// not clear what is a part and what is a class; `wrongDimensions` if a part has classes that
    /// train does not have, or there are too many classes; `tooLarge` if there are too many files.
    public func survey(_ visit: SourceVisitor) throws -> DatasetSurvey {
        var ignored = DatasetSurvey.Tally(), refused = DatasetSurvey.Tally()
        let note: SourceVisitor = { event in
            switch event {
            case .ignored(let notice): ignored.add(notice)
            case .refused(let notice): refused.add(notice)
            case .sample: break
            }
            try visit(event)
        }
        let layout = try ImageFolderLayout(root)
        try layout.noteRoot(note)
        var classes: [ByteName] = []
        var counts: [DatasetPart: [Int]] = [:]
        var units = UnitBuilder(most: options.unitSamples)
        for part in layout.parts {
            let folder = try ClassFolders(root, part.folder, above: layout.above, note)
            if part.part == .train || part.part == nil {
                classes = folder.names
                try checkClasses(classes)
            } else {
                try checkKnown(folder.names, of: part, classes)
            }
            if let known = part.part { counts[known] = Array(repeating: 0, count: classes.count) }
            let present = Set(folder.names)
            for (index, name) in classes.enumerated() where present.contains(name) {
                let files = try folder.list(name, note)
                units.begin(part: part.part, class: index, files: files.count)
                files.forEach(0..<files.count) { file in
                    units.add(file.path)
                    let own = part.part ?? options.split.part(of: file.path)
                    counts[own, default: Array(repeating: 0, count: classes.count)][index] += 1
                }
            }
            units.finish()
        }
        return DatasetSurvey(
            form: form, classes: classes,
            parts: DatasetPart.allCases.compactMap { part in
                counts[part].map {
                    DatasetSurvey.Part(part: part, count: $0.reduce(0, +), classCounts: $0)
                }
            },
            isSplitByHash: layout.parts.allSatisfy { $0.part == nil }, ignored: ignored,
            refused: refused, units: units.units)
    }

    /// Lists the folders of the unit's classes again, and reads the unit's files; see
    /// `DatasetSource`.
    ///
    /// Errors: `unreadable` if the files' names are not those of the survey.
    public func read(_ unit: ImportUnit, classes: [ByteName], _ visit: SourceVisitor) throws {
        guard case .files(let run) = unit.content, let count = unit.count, run.firstClass >= 0,
            run.firstClass <= run.lastClass, run.lastClass < classes.count, run.skipped >= 0
        else { throw DatasetError(.wrongFormat, "unit \(unit.index) is not one of \(root)") }
        let layout = try ImageFolderLayout(root)
        guard let part = layout.parts.first(where: { $0.part == run.part }) else {
            throw changed(unit)
        }
        let folder = try ClassFolders(root, part.folder, above: layout.above) { _ in }
        let present = Set(folder.names)
        var files: [(classIndex: Int, file: ClassFolder.File)] = []
        var digest = UnitBuilder.Digest()
        for index in run.firstClass...run.lastClass where present.contains(classes[index]) {
            let listed = try folder.list(classes[index]) { _ in }
            let start = index == run.firstClass ? min(run.skipped, listed.count) : 0
            let end = min(listed.count, start + max(0, count - files.count))
            listed.forEach(start..<end) { file in
                digest.add(classIndex: index, file.path)
                files.append((index, file))
            }
        }
        guard files.count == count, digest.value == run.digest else { throw changed(unit) }
        for (index, file) in files {
            try visit(event(file, classIndex: index, part))
        }
    }

    private func event(
        _ file: ClassFolder.File, classIndex: Int, _ part: ImageFolderLayout.Part
    ) -> SourceEvent {
        let path = part.folder.appending(file.path)
        if case .refused(let reason) = file.verdict { return .refused(path, reason) }
        switch PictureFile.read(root.appending(path), most: options.mostPictureBytes) {
        case .refused(let reason): return .refused(path, reason)
        case .bytes(let bytes):
            return .sample(
                SourceSample(
                    file: path, key: file.path,
                    part: part.part ?? options.split.part(of: file.path), classIndex: classIndex,
                    content: .encoded(bytes)))
        }
    }

    private func changed(_ unit: ImportUnit) -> DatasetError {
        DatasetError(
            .unreadable,
            "the files of \(root) are not those that were listed (unit \(unit.index)): some were "
                + "added, removed or renamed",
            remedy: "import again when nothing writes to the folder")
    }

    private func checkClasses(_ names: [ByteName]) throws(DatasetError) {
        guard !names.isEmpty else {
            throw DatasetError(
                .wrongFormat, "\(root) has no class folders",
                remedy: "put the pictures of each class in a folder named for it")
        }
        guard names.count <= SourceOptions.mostClasses else {
            throw DatasetError(
                .wrongDimensions,
                "\(root) has \(names.count) class folders; at most \(SourceOptions.mostClasses) "
                    + "classes are possible")
        }
    }

    private func checkKnown(
        _ names: [ByteName], of part: ImageFolderLayout.Part, _ classes: [ByteName]
    ) throws(DatasetError) {
        let known = Set(classes)
        let strange = names.filter { !known.contains($0) }
        guard strange.isEmpty else {
            let some = strange.prefix(5).map(\.description).joined(separator: ", ")
            throw DatasetError(
                .wrongDimensions,
                "\(root.appending(part.folder)) has \(strange.count) classes that train has not: "
                    + some + (strange.count > 5 ? ", …" : ""),
                remedy: "give the folders the names of train's, or remove them")
        }
    }
}
