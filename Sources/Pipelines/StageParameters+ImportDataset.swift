// The parameters of import-dataset: where the data set is, and in which form its images are stored.

import Datasets
import Foundation
import Networks

extension StageParameters {
    /// Imports a data set as shards.
    public struct ImportDataset: Codable, Sendable, Equatable {
        /// What happens if a picture cannot be read.
        public enum OnBadFile: String, Codable, Sendable, CaseIterable {
            /// The stage fails; its error names the first of the unreadable pictures.
            case stop
            /// Unreadable pictures are left out and counted in the artifact.
            case skip
        }

        /// The data set's name.
        public var dataset: String
        /// The path of the data set's folder or archive.
        public var folder: String
        /// The number of classes of an IDX data set; for other forms, the most classes that the data set may have.
        public var classes: Int
        /// The number of images held out for measuring accuracy during the run; nil for the default.
        public var heldOut: Int?
        /// The data set's form; nil means that the form is recognised from the files.
        public var format: DatasetForm?
        /// Whether pictures are stored as image files or as pixels; nil means as they are in the data set.
        public var store: PictureShard.Store?
        /// The largest number of pixels of the shorter side of a stored picture; nil for no limit.
        public var size: Int?
        /// How pictures are resized to a network's input; nil means that the data set's form decides.
        public var resize: PicturePreprocessor.Resizing?
        /// What happens if a picture cannot be read; nil for `stop`.
        public var onBadFile: OnBadFile?

        /// The default number of held-out images. A picture set holds out its validation part if there is one,
        /// otherwise this number of training pictures, but at most a tenth of them.
        public static let usualHeldOut = 5000

        /// The number of held-out images of an IDX data set.
        var heldOutImages: Int { heldOut ?? Self.usualHeldOut }

        /// Whether pictures that cannot be read are left out.
        var skipsBadFiles: Bool { onBadFile == .skip }

        /// Forms of data sets that contain pixels instead of image files.
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

    /// Returns the number of classes: by default the space's number, which is also the largest allowed.
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
    /// The message for `store: files` if the data set contains no image files.
    static func noFiles(_ form: DatasetForm) -> String {
        "is files, and \(form.rawValue) holds pixels"
    }

    /// Opens the data set in the stated form, or in the form that is recognised. If the data set is not divided into
    /// parts, a tenth of the pictures, drawn by `seed`, becomes the test part.
    ///
    /// Errors: `unreadable` if this machine does not have the data set, and those of `DatasetForm.open`.
    func source(seed: UInt64) throws(DatasetError) -> any DatasetSource {
        guard FileManager.default.fileExists(atPath: folder) else {
            throw DatasetError(.unreadable, "there is no folder \(folder)")
        }
        var options = SourceOptions()
        options.split = HashSplit(heldOut: 0.1, seed: seed)
        return try DatasetForm.open(folder, stated: format, options: options)
    }

    /// If the training images of an IDX data set have at most this many bytes, the data set becomes image shards.
    private static let mostShardBytes = 64 << 20

    /// Returns the files of an IDX data set that is small enough to become image shards; nil for data sets that become
    /// picture sets.
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
