// The parameters of import-dataset: where the data set is, and what is stored of it.

import Datasets
import Foundation
import Networks

extension StageParameters {
    /// Imports a data set as shards.
    public struct ImportDataset: Codable, Sendable, Equatable {
        /// What happens if a picture cannot be read.
        public enum OnBadFile: String, Codable, Sendable, CaseIterable {
            /// The stage fails and lists all of them.
            case stop
            /// They are left out and counted in the artifact.
            case skip
        }

        /// The data set's name.
        public var dataset: String
        /// The folder, or the archive.
        public var folder: String
        /// The number of classes of an IDX data set; at most as many of others.
        public var classes: Int
        /// Training images held out for measuring accuracy during the run; nil for the usual number.
        public var heldOut: Int?
        /// The form that the data set has; nil recognises it.
        public var format: DatasetForm?
        /// What is stored of a picture; nil for what the form suggests.
        public var store: PictureShard.Store?
        /// The most pixels of the shorter side of a stored picture; nil for no limit.
        public var size: Int?
        /// How pictures become square; nil for what the form suggests.
        public var resize: PicturePreprocessor.Resizing?
        /// What happens if a picture cannot be read; nil for `stop`.
        public var onBadFile: OnBadFile?

        /// The most images that are held out if the file does not say how many.
        public static let usualHeldOut = 5000

        /// The number of held-out images of an IDX data set.
        var heldOutImages: Int { heldOut ?? Self.usualHeldOut }

        /// Whether pictures that cannot be read are left out.
        var skipsBadFiles: Bool { onBadFile == .skip }

        /// Forms that hold pixels instead of files.
        static let pixelForms: Set = [DatasetForm.cifar, .idx]
    }

    /// Parses the keys of import-dataset.
    static func readImportDataset(
        _ entry: YAMLReader, space: SearchSpace, place: FilePlace
    ) throws -> ImportDataset {
        let parameters = ImportDataset(
            dataset: try entry.required(try entry.text("dataset"), "dataset"),
            folder: try place.folder("folder", of: entry), classes: try classes(entry, space),
            heldOut: try entry.integer("held_out", in: 1...10_000_000),
            format: try entry.choice("format", DatasetForm.self),
            store: try entry.choice("store", PictureShard.Store.self),
            size: try entry.integer("size", in: 8...8192),
            resize: try entry.choice("resize", PicturePreprocessor.Resizing.self),
            onBadFile: try entry.choice("on_bad_file", ImportDataset.OnBadFile.self))
        if let channels = try entry.integer("channels", in: 1...4), channels != space.inputChannels
        {
            throw entry.error(
                "channels",
                "is \(channels); networks of space \(space.name) take \(space.inputChannels)",
                remedy: "give the space as many: space: {base: …, channels: \(channels)}")
        }
        if let form = parameters.format, parameters.store == .files,
            ImportDataset.pixelForms.contains(form)
        {
            throw entry.error("store", ImportDataset.noFiles(form), remedy: "leave it out")
        }
        return parameters
    }

    /// The number of classes, at most the space's, which is the default.
    private static func classes(_ entry: YAMLReader, _ space: SearchSpace) throws -> Int {
        let most = SourceOptions.mostClasses
        let classes = try entry.integer("classes", in: 2...most) ?? space.classes
        guard classes <= space.classes else {
            throw entry.error(
                "classes",
                "is \(classes); networks of space \(space.name) tell \(space.classes) apart")
        }
        return classes
    }
}

extension StageParameters.ImportDataset {
    /// The message if files are to be stored of a data set that has none.
    static func noFiles(_ form: DatasetForm) -> String {
        "is files, and \(form.rawValue) holds pixels"
    }

    /// The data set, in the form that is stated or recognised. `seed` decides which pictures test a
    /// data set without parts: a tenth.
    ///
    /// Errors: `unreadable` if this machine does not have it, and those of `DatasetForm.open`.
    func source(seed: UInt64) throws(DatasetError) -> any DatasetSource {
        guard FileManager.default.fileExists(atPath: folder) else {
            throw DatasetError(.unreadable, "there is no folder \(folder)")
        }
        var options = SourceOptions()
        options.split = HashSplit(heldOut: 0.1, seed: seed)
        return try DatasetForm.open(folder, stated: format, options: options)
    }

    /// The most bytes of the training images of an IDX data set that becomes an image shard.
    private static let mostShardBytes = 64 << 20

    /// The files of a small IDX data set, which becomes image shards; nil if the data set becomes a
    /// picture set.
    ///
    /// Errors: those of `IDXFolder`.
    func imageShardFiles(_ source: any DatasetSource) throws -> IDXFolder? {
        guard source.form == .idx, store == nil, size == nil, resize == nil else { return nil }
        let files = try IDXFolder(folder)
        let size = try files.dimensions().train.reduce(1) { product, side in
            let (next, overflows) = product.multipliedReportingOverflow(by: side)
            return overflows ? Int.max : next
        }
        return size <= Self.mostShardBytes ? files : nil
    }
}
