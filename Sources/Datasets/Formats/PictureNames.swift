// PictureNames: what the name of a file in an image folder says: a picture to be read, a picture of
// a format that is not read, or something else. The content decides later what it really is.

/// What is to be done with an entry of a class folder.
enum PictureNames {
    /// The verdict on an entry.
    enum Verdict: Equatable {
        /// It is opened.
        case picture
        /// It should be a picture and cannot be read.
        case refused(String)
        /// It is no picture.
        case ignored(String)
    }

    /// The extensions of files that are opened, in small letters.
    static let extensions: Set<[UInt8]> = Set(["jpg", "jpeg", "png"].map { Array($0.utf8) })

    /// Pictures that other tools list or people have, and that are not read: ignoring them would
    /// make the data set smaller in silence.
    private static let otherFormats: [[UInt8]: String] = Dictionary(
        uniqueKeysWithValues: [
            ("gif", "GIF"), ("bmp", "BMP"), ("dib", "BMP"), ("webp", "WebP"), ("tif", "TIFF"),
            ("tiff", "TIFF"), ("ppm", "PPM"), ("pgm", "PGM"), ("pbm", "PBM"), ("pnm", "PNM"),
            ("jp2", "JPEG 2000"), ("j2k", "JPEG 2000"), ("jxl", "JPEG XL"), ("avif", "AVIF"),
            ("heic", "HEIC"), ("heif", "HEIF"),
        ].map { (Array($0.0.utf8), $0.1) })
    private static let systemNames: Set<[UInt8]> = Set(
        ["Thumbs.db", "desktop.ini"].map { Array($0.utf8) })
    private static let macArchive = Array("__MACOSX".utf8)

    /// Why a folder in the root is no class; nil if it is one.
    static func notAClass(_ name: ArraySlice<UInt8>) -> String? {
        if name.first == UInt8(ascii: ".") { return "hidden folder: not a class" }
        return name.elementsEqual(macArchive) ? "left by macOS archives: not a class" : nil
    }

    /// The verdict on an entry that is no folder.
    static func verdict(_ name: ArraySlice<UInt8>, _ kind: FolderEntries.Kind) -> Verdict {
        if name.first == UInt8(ascii: ".") || systemNames.contains(Array(name)) {
            return .ignored("hidden or system file")
        }
        guard let ending = ByteName.fileExtension(name) else { return .ignored("no extension") }
        if ending == Array("jfif".utf8) || ending == Array("jpe".utf8) {
            return .ignored("extension .\(String(decoding: ending, as: UTF8.self)) is not imported")
        }
        let format = otherFormats[ending]
        guard extensions.contains(ending) || format != nil else {
            return .ignored("not a picture by its extension")
        }
        switch kind {
        case .file: return format.map { .refused("unsupported format \($0)") } ?? .picture
        case .danglingLink: return .refused("link that leads nowhere")
        case .linkLoop: return .refused("link that leads to itself")
        case .special, .folder: return .refused("not a regular file")
        case .unknown: return .refused("the system does not tell what it is")
        }
    }
}
