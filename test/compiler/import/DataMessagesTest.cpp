// Every way to get the section `data` wrong, and images that the model does not take.
// What is expected is all that a user sees: place, text, line and caret.
#include "ReadText.h"

#include <gtest/gtest.h>

namespace danaus::spec {
namespace {

const MessageCase cases[] = {
    {"DataOfALaterVersion", 6, "data: {name: cifar100}",
     R"~(bad.yaml:6:14: error: data.name: value 'cifar100' is not supported by this version
data: {name: cifar100}
             ^
)~"},
    {"DataMisspelt", 6, "data: {name: fashion_mnits}",
     R"~(bad.yaml:6:14: error: data.name: unknown value 'fashion_mnits'; did you mean 'fashion_mnist'?
data: {name: fashion_mnits}
             ^
)~"},
    {"ValidationNegative", 6, "data: {name: mnist, validation: -1}",
     R"~(bad.yaml:6:33: error: data.validation: -1 is out of range: expected an integer from 0 to 1000000000
data: {name: mnist, validation: -1}
                                ^
)~"},
    {"NormalizeUnknown", 6, "data: {name: mnist, normalize: minst}",
     R"~(bad.yaml:6:32: error: data.normalize: unknown value 'minst'; did you mean 'mnist'?
data: {name: mnist, normalize: minst}
                               ^
)~"},
    {"NormalizeIsANumber", 6, "data: {name: mnist, normalize: [0.5]}",
     R"~(bad.yaml:6:32: error: data.normalize: expected one of none, mnist, fashion_mnist, cifar10, imagenet, or {mean: [...], std: [...]}, found a list
data: {name: mnist, normalize: [0.5]}
                               ^
)~"},
    {"NormalizeLengths", 6, "data: {name: mnist, normalize: {mean: [0.5], std: [1.0, 1.0]}}",
     R"~(bad.yaml:6:32: error: data.normalize: mean has length 1 and std 2; both have a number for each channel
data: {name: mnist, normalize: {mean: [0.5], std: [1.0, 1.0]}}
                               ^
)~"},
    {"NormalizeChannels", 6, "data: {name: mnist, normalize: {mean: [0.5, 0.5], std: [1.0, 1.0]}}",
     R"~(bad.yaml:6:32: error: data.normalize: 2 channels are given, but the images of mnist have 1
data: {name: mnist, normalize: {mean: [0.5, 0.5], std: [1.0, 1.0]}}
                               ^
)~"},
    {"NormalizeByZero", 6, "data: {name: mnist, normalize: {mean: [0.5], std: [0.0]}}",
     R"~(bad.yaml:6:52: error: data.normalize.std.0: 0.0 is out of range: expected a number above 0.0
data: {name: mnist, normalize: {mean: [0.5], std: [0.0]}}
                                                   ^
)~"},
    {"CropPaddingZero", 6, "data: {name: mnist, augment: [{random_crop: {padding: 0}}]}",
     R"~(bad.yaml:6:55: error: data.augment.0.random_crop.padding: 0 is out of range: expected an integer from 1 to 1024
data: {name: mnist, augment: [{random_crop: {padding: 0}}]}
                                                      ^
)~"},
    {"AugmentMisspelt", 6, "data: {name: mnist, augment: [horizontal_flop]}",
     R"~(bad.yaml:6:31: error: data.augment.0: unknown augmentation 'horizontal_flop'; did you mean 'horizontal_flip'?
data: {name: mnist, augment: [horizontal_flop]}
                              ^
)~"},
    {"AugmentUnknown", 6, "data: {name: mnist, augment: [rotate: {}]}",
     R"~(bad.yaml:6:31: error: data.augment.0: unknown augmentation 'rotate'; known here: random_crop, horizontal_flip, random_resized_crop, random_erasing, mixup, cutmix
data: {name: mnist, augment: [rotate: {}]}
                              ^
)~"},
    {"AugmentOptionMisspelt", 6, "data: {name: mnist, augment: [{random_crop: {pading: 4}}]}",
     R"~(bad.yaml:6:46: error: data.augment.0.random_crop: unknown key 'pading'; did you mean 'padding'?
data: {name: mnist, augment: [{random_crop: {pading: 4}}]}
                                             ^
)~"},
    {"AugmentOptionOfAnother", 6, "data: {name: mnist, augment: [{horizontal_flip: {padding: 4}}]}",
     R"~(bad.yaml:6:50: error: data.augment.0.horizontal_flip: unknown key 'padding'; known here: probability
data: {name: mnist, augment: [{horizontal_flip: {padding: 4}}]}
                                                 ^
)~"},
    {"AugmentIsAList", 6, "data: {name: mnist, augment: [[random_crop]]}",
     R"~(bad.yaml:6:31: error: data.augment.0: expected an augmentation (random_crop, horizontal_flip, random_resized_crop, random_erasing, mixup, cutmix), alone or {name: {options}}, found a list
data: {name: mnist, augment: [[random_crop]]}
                              ^
)~"},
    {"AugmentWithTwoNames", 6, "data: {name: mnist, augment: [{random_crop: {}, mixup: {}}]}",
     R"~(bad.yaml:6:31: error: data.augment.0: expected an augmentation (random_crop, horizontal_flip, random_resized_crop, random_erasing, mixup, cutmix), alone or {name: {options}}, found a map with the keys random_crop, mixup
data: {name: mnist, augment: [{random_crop: {}, mixup: {}}]}
                              ^
)~"},
    {"AugmentIsAText", 6, "data: {name: mnist, augment: random_crop}",
     R"~(bad.yaml:6:30: error: data.augment: expected a list of augmentations, found 'random_crop'
data: {name: mnist, augment: random_crop}
                             ^
)~"},
    {"AugmentTwice", 6, "data: {name: mnist, augment: [mixup, random_crop, {mixup: {alpha: 1}}]}",
     R"~(bad.yaml:6:52: error: data.augment: this augmentation is given twice
data: {name: mnist, augment: [mixup, random_crop, {mixup: {alpha: 1}}]}
                                                   ^
bad.yaml:6:31: note: the first is written here
data: {name: mnist, augment: [mixup, random_crop, {mixup: {alpha: 1}}]}
                              ^
)~"},
    {"FlipProbability", 6, "data: {name: mnist, augment: [{horizontal_flip: {probability: 1.5}}]}",
     R"~(bad.yaml:6:63: error: data.augment.0.horizontal_flip.probability: 1.5 is out of range: expected a number of at least 0.0 and at most 1.0
data: {name: mnist, augment: [{horizontal_flip: {probability: 1.5}}]}
                                                              ^
)~"},
    {"MixupAlphaZero", 6, "data: {name: mnist, augment: [{mixup: {alpha: 0}}]}",
     R"~(bad.yaml:6:47: error: data.augment.0.mixup.alpha: 0 is out of range: expected a number above 0.0 and at most 1000.0
data: {name: mnist, augment: [{mixup: {alpha: 0}}]}
                                              ^
)~"},
    {"CutmixAlphaNegative", 6, "data: {name: mnist, augment: [{cutmix: {alpha: -1}}]}",
     R"~(bad.yaml:6:48: error: data.augment.0.cutmix.alpha: -1 is out of range: expected a number above 0.0 and at most 1000.0
data: {name: mnist, augment: [{cutmix: {alpha: -1}}]}
                                               ^
)~"},
    {"ScaleAboveOne", 6,
     "data: {name: mnist, resize: 32, augment: [{random_resized_crop: {scale: [0.1, 1.5]}}]}",
     R"~(bad.yaml:6:79: error: data.augment.0.random_resized_crop.scale.1: 1.5 is out of range: expected a number above 0.0 and at most 1.0
data: {name: mnist, resize: 32, augment: [{random_resized_crop: {scale: [0.1, 1.5]}}]}
                                                                              ^
)~"},
    {"ScaleBackwards", 6,
     "data: {name: mnist, resize: 32, augment: [{random_resized_crop: {scale: [0.9, 0.1]}}]}",
     R"~(bad.yaml:6:73: error: data.augment.0.random_resized_crop.scale: the first number is the least, the second the most
data: {name: mnist, resize: 32, augment: [{random_resized_crop: {scale: [0.9, 0.1]}}]}
                                                                        ^
)~"},
    {"RatioOneNumber", 6,
     "data: {name: mnist, resize: 32, augment: [{random_resized_crop: {ratio: [1]}}]}",
     R"~(bad.yaml:6:73: error: data.augment.0.random_resized_crop.ratio: expected a list of 2 numbers, found 1 entry
data: {name: mnist, resize: 32, augment: [{random_resized_crop: {ratio: [1]}}]}
                                                                        ^
)~"},
    {"ResizedCropWithoutResize", 6, "data: {name: mnist, augment: [random_resized_crop]}",
     R"~(bad.yaml:6:31: error: data.augment: random_resized_crop needs the size of its result: write data.resize
data: {name: mnist, augment: [random_resized_crop]}
                              ^
)~"},
    {"CropPaddingTooLarge", 6, "data: {name: cifar10, augment: [{random_crop: {padding: 32}}]}",
     R"~(bad.yaml:6:57: error: data.augment: random_crop: a padding of 32 can push an image of 32 x 32 pixels out of sight: write less than 32
data: {name: cifar10, augment: [{random_crop: {padding: 32}}]}
                                                        ^
)~"},
    {"CropPaddingOfASmallImage", 6, "data: {name: npy, resize: 4, augment: [random_crop]}",
     R"~(bad.yaml:6:40: error: data.augment: random_crop: a padding of 4 can push an image of 4 x 4 pixels out of sight: write less than 4
data: {name: npy, resize: 4, augment: [random_crop]}
                                       ^
)~"},
    {"ResizeNegative", 6, "data: {name: mnist, resize: -1}",
     R"~(bad.yaml:6:29: error: data.resize: -1 is out of range: expected an integer from 0 to 16384
data: {name: mnist, resize: -1}
                            ^
)~"},
    {"PadIsANumber", 6, "data: {name: mnist, pad: 2.5}",
     R"~(bad.yaml:6:26: error: data.pad: expected an integer from 0 to 1024, found '2.5'
data: {name: mnist, pad: 2.5}
                         ^
)~"},
    {"ChannelsOfColour", 6, "data: {name: cifar10, channels: 1}",
     R"~(bad.yaml:6:33: error: data.channels: only grey images can be repeated, but those of cifar10 have 3 channels
data: {name: cifar10, channels: 1}
                                ^
)~"},
    {"NormalizeOfColour", 6, "data: {name: cifar10, normalize: mnist}",
     R"~(bad.yaml:6:34: error: data.normalize: 1 channel is given, but the images of cifar10 have 3
data: {name: cifar10, normalize: mnist}
                                 ^
)~"},
    {"NormalizeOfRepeatedGrey", 6, "data: {name: mnist, channels: 3, normalize: mnist}",
     R"~(bad.yaml:6:45: error: data.normalize: 1 channel is given, but the images of mnist have 3 after data.channels
data: {name: mnist, channels: 3, normalize: mnist}
                                            ^
)~"},
    {"NormalizeOfFolder", 6, "data: {name: imagenet_folder, normalize: mnist}",
     R"~(bad.yaml:6:42: error: data.normalize: 1 channel is given, but the images of imagenet_folder have 3
data: {name: imagenet_folder, normalize: mnist}
                                         ^
)~"},
};

class DataMessages : public testing::TestWithParam<MessageCase> {};

TEST_P(DataMessages, AreExact) {
  ReadResult result = readText(GetParam().spec());
  EXPECT_TRUE(mlir::failed(result.spec));
  EXPECT_EQ(result.messages, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Specs, DataMessages, testing::ValuesIn(cases),
                         [](const auto &info) { return info.param.name; });

/// What checkDataFits says to a model that takes `shape`.
std::string fitMessages(const std::string &shape, const std::string &data) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(
      llvm::MemoryBuffer::getMemBufferCopy("name: m\nmodel: {input: {shape: " + shape +
                                               "}, layers: [relu]}\ndata: " + data + "\n",
                                           "bad.yaml"),
      {});
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  mlir::SourceMgrDiagnosticHandler handler(sources, &context, stream);
  mlir::FailureOr<Spec> spec = readSpec(sources, {}, &context);
  EXPECT_TRUE(mlir::succeeded(spec));
  if (mlir::succeeded(spec))
    EXPECT_EQ(mlir::succeeded(checkDataFits(*spec, &context)), messages.empty());
  return messages;
}

TEST(DataFits, NamesBothSides) {
  EXPECT_EQ(
      fitMessages("[3, 32, 32]", "{name: mnist, pad: 2}"),
      R"~(bad.yaml:2:24: error: model.input.shape: the model takes 3 x 32 x 32, but the images of mnist are 1 x 32 x 32 (channels x height x width) after resize, pad and channels
model: {input: {shape: [3, 32, 32]}, layers: [relu]}
                       ^
bad.yaml:3:7: note: data is written here
data: {name: mnist, pad: 2}
      ^
)~");
  EXPECT_EQ(
      fitMessages("[32, 32, 3]", "{name: cifar10}"),
      R"~(bad.yaml:2:24: error: model.input.shape: the model takes 32 x 32 x 3, but the images of cifar10 are 3 x 32 x 32 (channels x height x width) after resize, pad and channels
model: {input: {shape: [32, 32, 3]}, layers: [relu]}
                       ^
bad.yaml:3:7: note: data is written here
data: {name: cifar10}
      ^
)~");
}

TEST(DataFits, InAnyGroupingAndWhereItIsNotKnown) {
  EXPECT_EQ(fitMessages("[28, 28]", "{name: mnist}"), "");
  EXPECT_EQ(fitMessages("[784]", "{name: fashion_mnist}"), "");
  EXPECT_EQ(fitMessages("[3, 32, 32]", "{name: mnist, pad: 2, channels: 3}"), "");
  EXPECT_EQ(fitMessages("[3, 224, 224]", "{name: cifar10, resize: 224}"), "");
  EXPECT_EQ(fitMessages("[3, 228, 228]", "{name: imagenet_folder, resize: 224, pad: 2}"), "");
  EXPECT_EQ(fitMessages("[7]", "{name: npy}"), "");
  EXPECT_EQ(fitMessages("[7]", "{name: image_folder}"), "");
}

} // namespace
} // namespace danaus::spec
