// The known keys of each mapping of a pipeline file. Keys are checked before any value is read, so that `learning_rte:
// 0.05` is reported as an unknown key and not as a missing learning_rate.

/// The known keys of each mapping of a pipeline file.
enum PipelineKeys {
    /// The keys of the outermost mapping.
    static let top = [
        "name", "seed", "seeds", "epoch_scale", "deferrable", "earliest", "deadline", "duration",
        "space", "devices", "stages",
    ]
    /// The keys of a space that is made from a published space.
    static let space = [
        "base", "name", "width", "channels", "classes", "resolutions", "depths", "kernel_sizes",
        "expand_ratios",
    ]
    /// The keys of a space that is described layer by layer.
    static let family = [
        "name", "channels", "classes", "resolutions", "norm_epsilon", "kernel_transform", "layers",
    ]
    /// The keys of a device.
    static let device = [
        "kind", "max_latency_ms", "max_peak_memory_kb", "max_flash_kb", "max_macs", "max_params",
        "max_energy_mj", "batch", "threads", "bytes_per_weight", "bytes_per_activation",
        "pj_per_mac", "pj_per_weight_byte", "pj_per_activation_byte",
    ]
    /// The keys common to all stages.
    static let terms = [
        "kind", "needs", "on_bad", "queue", "priority", "key", "threads", "memory_mb",
        "timeout_seconds", "stall_seconds", "max_attempts", "max_crashes", "requires", "rule",
    ]
    /// The keys of the augmentation of a training phase.
    static let augmentation = [
        "flip", "shift", "crop", "min_area", "max_aspect", "brightness", "saturation",
    ]

    /// Returns the keys of one kind of stage, without `terms`.
    static func parameters(_ kind: StageKind) -> [String] {
        switch kind {
        case .importDataset:
            [
                "dataset", "folder", "classes", "held_out", "format", "store", "size", "channels",
                "resize", "on_bad_file",
            ]
        case .train:
            [
                "phase", "from", "teacher", "kernel_sizes", "expand_ratios", "depths",
                "widths", "resolutions", "subnets", "sampling", "epochs", "warmup_epochs", "batch",
                "micro_batch", "learning_rate", "distillation", "label_smoothing", "weight_decay",
                "momentum", "in_place_distillation", "distillation_loss", "gradient_clip",
                "kernel_transform", "precision", "dropout", "augmentation", "sort_channels",
                "keep_ratios",
                "checkpoint_seconds", "new_head", "alone", "architecture",
                "validate_every", "validate_images", "patience", "patience_of", AccuracyAim.key,
            ]
        case .sampleAccuracy:
            [
                "subnets", "images", "calibration_images", "calibration_augmentation", "shards",
                "after", "resolutions", "bits",
            ]
        case .fitPredictor: ["method", "bits"]
        case .measureDevice: ["device", "repeats", "whole_networks", "resolutions"]
        case .search: ["device", "front_evaluations", "bits"]
        case .materialise: ["device", "network", "calibration_images", "calibration_augmentation"]
        case .fineTune:
            [
                "from", "teacher", "epochs", "warmup_epochs", "batch", "micro_batch",
                "learning_rate", "distillation", "label_smoothing", "weight_decay", "momentum",
                "precision", "dropout", "augmentation", "checkpoint_seconds", "calibration_images",
                "calibration_augmentation",
            ]
        case .evaluate: ["arm", "networks", "architecture", "calibration_images", "untrained"]
        case .report: []
        }
    }

    /// Throws `invalidValue` at the first unknown key of the file.
    static func check(_ file: YAMLReader) throws {
        try file.expect(top)
        for (key, list) in try file.mappings() {
            if key == "space" { try check(space: list) }
            if key == "devices" {
                for (_, entry) in try list.mappings() { try entry.expect(device) }
            }
            if key == "stages" {
                for (_, entry) in try list.mappings() { try check(stage: entry) }
            }
        }
    }

    /// Throws `invalidValue` at the first unknown key of a space.
    static func check(space entry: YAMLReader) throws {
        try entry.expect(entry.keys.contains("layers") ? family : space)
    }

    private static func check(stage entry: YAMLReader) throws {
        // An invalid kind is reported when `kind` is read; until then the keys of all kinds are accepted.
        let kind = entry.word("kind").flatMap(StageKind.init(rawValue:))
        let own = (kind.map { [$0] } ?? StageKind.allCases).flatMap {
            parameters($0) + $0.sourceKeys.map(\.key)
        }
        try entry.expect(terms + own)
        for (key, inner) in try entry.mappings() {
            if key == "augmentation" { try inner.expect(augmentation) }
            if key == "rule" { try inner.expect(["quorum"]) }
        }
    }
}
