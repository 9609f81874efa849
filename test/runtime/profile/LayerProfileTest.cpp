// What a launch's label says of layers.
#include "runtime/profile/LayerProfile.h"

#include <gtest/gtest.h>

using danaus::layersOfLabel;
using Names = std::vector<std::string>;

TEST(LayersOfLabel, AreTheNamesBehindTheKind) {
  EXPECT_EQ(layersOfLabel("chain fc1, blocks.0.mlp.fc2, loss"),
            (Names{"fc1", "blocks.0.mlp.fc2", "loss"}));
  EXPECT_EQ(layersOfLabel("copy fc1"), Names{"fc1"});
}

TEST(LayersOfLabel, AreTheKindWhereNoLayerIsNamed) {
  EXPECT_EQ(layersOfLabel("update 12 parameters"), Names{"update"});
  EXPECT_EQ(layersOfLabel("metrics"), Names{"metrics"});
}
