// PictureNames: classifies a file in an image folder by its name: a picture, a picture in an unsupported format, or
// something else. When the file is read, its content decides which format it has.

/// Decides by the name of an entry what to do with the entry.
enum PictureNames {
    /// The verdict on an entry.
    enum Verdict: Equatable {
        /// A picture that will be opened.
        case picture
        /// A picture that cannot be read, and why.
        case refused(String)
        /// No picture, and why.
        case ignored(String)
    }

    /// The extensions of files that are opened, in lower case.
    static let extensions: Set<[UInt8]> = Set(["jpg", "jpeg", "png"].map { Array($0.utf8) })

    /// The extensions of picture formats that are not supported. Such files are refused and not ignored, because
    /// ignoring them would make the data set smaller without notice.
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

    /// Returns why a folder in the root is no class; nil if it is a class.
    static func notAClass(_ name: ArraySlice<UInt8>) -> String? {
        if name.first == UInt8(ascii: ".") { return "hidden folder: not a class" }
        return name.elementsEqual(macArchive) ? "left by macOS archives: not a class" : nil
    }

    /// Returns the verdict on an entry that is no folder.
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
